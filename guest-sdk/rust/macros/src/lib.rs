//! The attributes of the crate `wasmworker`, which re-exports and documents them.

use proc_macro::TokenStream;
use proc_macro2::{Ident, Span, TokenStream as Tokens};
use quote::{quote, quote_spanned};
use syn::parse::Parser;
use syn::spanned::Spanned;
use syn::{Error, FnArg, ItemFn, LitStr, Pat, Result, Type, parse_macro_input};

#[proc_macro_attribute]
pub fn activity(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut name = None;
    let parser = name_option(&mut name, "an activity");
    parse_macro_input!(args with parser);
    let function = parse_macro_input!(item as ItemFn);
    with_item(&function, expand_activity(&function, name))
}

#[proc_macro_attribute]
pub fn workflow(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut name = None;
    let parser = name_option(&mut name, "a workflow");
    parse_macro_input!(args with parser);
    let function = parse_macro_input!(item as ItemFn);
    with_item(&function, expand_workflow(&function, name))
}

fn name_option<'a>(name: &'a mut Option<LitStr>, what: &'a str) -> impl Parser<Output = ()> + 'a {
    syn::meta::parser(move |meta| {
        if meta.path.is_ident("name") {
            *name = Some(meta.value()?.parse::<LitStr>()?);
            Ok(())
        } else {
            Err(meta.error(format!("the one option of {what} is name = \"…\"")))
        }
    })
}

#[proc_macro_attribute]
pub fn init(args: TokenStream, item: TokenStream) -> TokenStream {
    let function = parse_macro_input!(item as ItemFn);
    with_item(&function, expand_init(args.into(), &function))
}

/// The function itself always stays, so that a mistake in its signature does not hide it from its callers.
fn with_item(function: &ItemFn, generated: Result<Tokens>) -> TokenStream {
    let generated = generated.unwrap_or_else(Error::into_compile_error);
    quote!(#function #generated).into()
}

fn expand_activity(function: &ItemFn, name: Option<LitStr>) -> Result<Tokens> {
    let signature = plain(function, "an activity")?;
    let ident = &signature.ident;
    let name = export_name(ident, name, "activity")?;

    // Names of the user's, such as that of the activity, must not meet with ours.
    let taken = Ident::new("arguments", Span::mixed_site());
    let value = Ident::new("value", Span::mixed_site());
    let mut arguments = Vec::new();
    for input in &signature.inputs {
        let (ty, label) = argument(input, "an activity")?;
        arguments.push(quote_spanned!(ty.span()=> #taken.take::<#ty>(#label)?));
    }

    // A function that is compiled only under a condition must be exported under the same one.
    let conditions = conditions(function);
    let returned = match &signature.output {
        syn::ReturnType::Default => ident.span(),
        syn::ReturnType::Type(_, ty) => ty.span(),
    };
    let finish = quote_spanned!(returned=> ::wasmworker::__finish!(#value));
    Ok(quote! {
        #(#conditions)*
        const _: () = {
            #[cfg_attr(target_family = "wasm", unsafe(export_name = #name))]
            extern "C" fn __wasmworker_export() -> i32 {
                ::wasmworker::__private::run(|#taken| {
                    let #value = #ident(#(#arguments),*);
                    ::core::result::Result::Ok(#finish)
                })
            }
            // Without an export, in a native build, nothing else would use the function.
            const _: extern "C" fn() -> i32 = __wasmworker_export;
        };
    })
}

fn export_name(ident: &Ident, name: Option<LitStr>, what: &str) -> Result<LitStr> {
    let name = name.unwrap_or_else(|| LitStr::new(&without_raw_prefix(&ident.to_string()), ident.span()));
    match refused(&name.value(), what) {
        Some(reason) => Err(Error::new(name.span(), reason)),
        None => Ok(name),
    }
}

/// The type of an argument, and its name if it has one.
fn argument<'a>(input: &'a FnArg, what: &str) -> Result<(&'a Type, String)> {
    let FnArg::Typed(input) = input else {
        return Err(Error::new(input.span(), format!("{what} is a function, not a method")));
    };
    let ty = &*input.ty;
    match ty {
        Type::Reference(reference) => {
            let hint = format!("{what} owns its arguments: take a String, a Vec or another type without a lifetime");
            return Err(Error::new(reference.span(), hint));
        }
        Type::ImplTrait(_) => return Err(Error::new(ty.span(), "the type of an argument has to be known: name it")),
        _ => {}
    }
    let label = match &*input.pat {
        Pat::Ident(pat) => without_raw_prefix(&pat.ident.to_string()),
        _ => String::new(),
    };
    Ok((ty, label))
}

fn expand_workflow(function: &ItemFn, name: Option<LitStr>) -> Result<Tokens> {
    let signature = &function.sig;
    let refuse = |span, reason: &str| Err(Error::new(span, format!("a workflow {reason}")));
    if signature.asyncness.is_none() {
        return refuse(signature.fn_token.span(), "is an async function: everything that it waits for is a future");
    }
    if let Some(abi) = &signature.abi {
        return refuse(abi.span(), "is a plain Rust function: the attribute makes the export");
    }
    if !signature.generics.params.is_empty() {
        return refuse(signature.generics.span(), "cannot be generic");
    }
    let ident = &signature.ident;
    let name = export_name(ident, name, "workflow")?;
    let mut inputs = signature.inputs.iter();
    let Some(first) = inputs.next() else {
        return refuse(signature.paren_token.span.join(), "takes a wasmworker::workflow::Context first");
    };
    argument(first, "a workflow")?;

    // Names of the user's, such as that of the workflow, must not meet with ours.
    let context = Ident::new("context", Span::mixed_site());
    let taken = Ident::new("arguments", Span::mixed_site());
    let mut arguments = Vec::new();
    for (index, input) in inputs.enumerate() {
        let (ty, label) = argument(input, "a workflow")?;
        arguments.push(quote_spanned!(ty.span()=> ::wasmworker::workflow::__take::<#ty>(#taken, #index, #label)?));
    }
    let conditions = conditions(function);
    let returned = match &signature.output {
        syn::ReturnType::Default => ident.span(),
        syn::ReturnType::Type(_, ty) => ty.span(),
    };
    let end = quote_spanned!(returned=> ::wasmworker::workflow::__end);
    Ok(quote! {
        #(#conditions)*
        const _: () = {
            #[cfg_attr(target_family = "wasm", unsafe(export_name = #name))]
            extern "C" fn __wasmworker_export() -> i32 {
                ::wasmworker::workflow::__run(|#context, #taken| {
                    ::core::result::Result::Ok(#end(#ident(#context, #(#arguments),*)))
                })
            }
            // Without an export, in a native build, nothing else would use the function.
            const _: extern "C" fn() -> i32 = __wasmworker_export;
        };
    })
}

fn expand_init(args: Tokens, function: &ItemFn) -> Result<Tokens> {
    if !args.is_empty() {
        return Err(Error::new(args.span(), "this attribute has no options"));
    }
    let signature = plain(function, "an init function")?;
    if let Some(input) = signature.inputs.first() {
        return Err(Error::new(input.span(), "an init function takes no arguments"));
    }
    if let syn::ReturnType::Type(_, ty) = &signature.output {
        return Err(Error::new(ty.span(), "an init function returns nothing"));
    }
    let ident = &signature.ident;
    let conditions = conditions(function);
    Ok(quote! {
        #(#conditions)*
        const _: () = {
            extern "C" fn __wasmworker_init() {
                ::wasmworker::__private::init(#ident)
            }
            // _initialize calls what this section lists.
            #[used]
            #[cfg_attr(target_family = "wasm", unsafe(link_section = ".init_array"))]
            static __WASMWORKER_INIT: extern "C" fn() = __wasmworker_init;
        };
    })
}

fn conditions(function: &ItemFn) -> impl Iterator<Item = &syn::Attribute> {
    function.attrs.iter().filter(|attribute| attribute.path().is_ident("cfg"))
}

fn plain<'a>(function: &'a ItemFn, what: &str) -> Result<&'a syn::Signature> {
    let signature = &function.sig;
    let refuse = |span, reason: &str| Err(Error::new(span, format!("{what} {reason}")));
    if let Some(asyncness) = &signature.asyncness {
        return refuse(asyncness.span(), "is a plain function: it has its instance for itself and may block");
    }
    if let Some(abi) = &signature.abi {
        return refuse(abi.span(), "is a plain Rust function: the attribute makes the export");
    }
    if !signature.generics.params.is_empty() {
        return refuse(signature.generics.span(), "cannot be generic");
    }
    Ok(signature)
}

fn without_raw_prefix(ident: &str) -> String {
    ident.strip_prefix("r#").unwrap_or(ident).to_owned()
}

/// Why a function cannot be exported by this name. A name of the C library or of the compiler's runtime would replace
/// that function for the whole module, since an export of Rust is a symbol of the linker.
fn refused(name: &str, what: &str) -> Option<String> {
    if name.is_empty() || name.contains('\0') {
        return Some("a name is neither empty nor has it zero bytes".to_owned());
    }
    if name.starts_with('_') {
        return Some("names that begin with _ are neither activities nor workflows".to_owned());
    }
    let toolchain = ["memory", "go_scheduler"].contains(&name) || name.starts_with("asyncify_") || name.starts_with("cabi_");
    if toolchain || LINKED.split_ascii_whitespace().any(|linked| linked == name) {
        return Some(format!("`{name}` is a name of the toolchain: give the {what} another one, by name = \"…\""));
    }
    None
}

/// What Rust's standard library links, or may link, of the C library and of the compiler's runtime.
const LINKED: &str = "
    abort accept access acos acosf acosh acoshf asin asinf asinh asinhf atan atan2 atan2f atanf atanh atanhf bcmp bind calloc cbrt
    cbrtf ceil ceilf chdir chmod clock_getres clock_gettime clock_nanosleep close closedir connect cos cosf cosh coshf dirfd environ
    erf erff exit exp exp2 exp2f expf expm1 expm1f fabs fabsf fcntl fdatasync fdclosedir fdim fdimf fdopendir fegetround fesetround
    floor floorf fma fmaf fmax fmaxf fmin fminf fmod fmodf fpathconf free freeaddrinfo fstat fstatat fsync ftruncate futimens
    gai_strerror getaddrinfo getcwd getentropy getenv getpeername getpid getsockname getsockopt gettimeofday hypot hypotf ioctl
    isatty lchown ldexp ldexpf lgamma link linkat listen log log10 log10f log1p log1pf log2 log2f logf lseek lstat main malloc
    memalign memchr memcmp memcpy memmove memrchr memset mkdir mkdirat nanosleep open openat opendir pathconf poll posix_fadvise
    posix_fallocate posix_memalign pow powf pread preadv pwrite pwritev read readdir readlink readlinkat readv realloc realpath recv
    recvfrom remove rename renameat rint rintf rmdir round roundf sbrk scalbn scalbnf sched_yield select send sendto setenv
    setsockopt shutdown sigaction signal sin sincos sincosf sinf sinh sinhf sleep socket sqrt sqrtf stat strcmp strcpy strdup
    strerror strerror_r strlen strncmp strtol strtoul symlink symlinkat sysconf tan tanf tanh tanhf tgamma tgammaf time trunc
    truncate truncf unlink unlinkat unsetenv usleep utimensat write writev
";
