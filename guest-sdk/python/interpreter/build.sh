#!/bin/sh
# Builds the interpreter, bin/python.wasm: `make python`, on Debian. README.md beside this
# file says what it is made of and why. What it needs beside guest-sdk/toolchains.sh it
# fetches with apt, into .toolchains/python, where it keeps what is compiled.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
work=$root/.toolchains/python
output=$root/bin/python.wasm

# Sources, by their SHA-256. The suite is a stable one, so what is pinned stays there.
suite=trixie
python=3.13.5
python_sum=93e583f243454e6e9e4588ca2c2662206ad961659863277afcdb96801647d640
zlib=1.3.1
zlib_sum=60dd315c07f616887caa029408308a018ace66e3d142726a97db164b3b8f69fb
bzip2=1.0.8
bzip2_sum=ab5a03176ee106d3f0fa90e381da478ddae405918153cca248e682cd0c4a2269
wasi_sum=b7716260051d289248b7667f81fa2792c125d888ff51da3fa09c6272cc0bd11d

minor=${python%.*}
optimize="-O2 -g0"
stack=8388608 # nested calls in C, such as those of parsers, end with RecursionError before

llvm=/usr/lib/llvm-19/bin
for tool in clang wasm-ld llvm-ar llvm-ranlib; do
  [ -x "$llvm/$tool" ] || { echo "make python: $llvm/$tool is missing: run make toolchains" >&2; exit 1; }
done

# CPython needs compiling anew when these change, and linking when anything does.
first=$({ sed '/^link()/,$d' "$here/build.sh"; cat "$here/config.site"; } | sha256sum | cut -c1-16)
all=$(cd "$here/.." && find interpreter src shim ../c/include/wasmworker_abi.h -type f \
  \( -name '*.py' -o -name '*.c' -o -name '*.h' -o -name build.sh -o -name config.site \) \
  ! -path '*/__pycache__/*' -print0 2>/dev/null | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -d' ' -f1)
up_to_date() {
  [ -f "$output" ] && [ "$(cat "$work/built" 2>/dev/null)" = "$all $(sha256sum <"$output" | cut -d' ' -f1)" ]
}
if up_to_date; then exit 0; fi
mkdir -p "$work" "$root/bin"
exec 9>"$work/lock"
flock 9
if up_to_date; then exit 0; fi # by who had the lock

# apt with a list of its own: this machine's mirrors of Debian, for the suite.
apt() {
  apt_dir=$work/apt
  if [ ! -d "$apt_dir/sources" ]; then
    rm -rf "$apt_dir"
    mkdir -p "$apt_dir/new" "$apt_dir/lists/partial" "$apt_dir/cache/archives/partial"
    . /etc/os-release
    # deb822 and one line each. Entries for this system's own suite say where a mirror is.
    cat /etc/apt/sources.list.d/*.sources 2>/dev/null | awk -v RS= -v from="$VERSION_CODENAME" -v to="$suite" '
      $0 ~ "(^|\n)Suites:[^\n]*[ \t]" from "([ \t]|\n|$)" && $0 ~ "(^|\n)Types:[^\n]*deb" {
        gsub(/(^|\n)#[^\n]*/, ""); sub(/^\n/, "")
        sub(/Types:[^\n]*/, "Types: deb deb-src"); sub(/Suites:[^\n]*/, "Suites: " to); sub(/Components:[^\n]*/, "Components: main")
        print $0 "\n"
      }' >"$apt_dir/new/debian.sources"
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
      sed -nE "s/^deb(-src)?[ \t]+((\[[^]]*\][ \t]+)?[^ \t]+)[ \t]+$VERSION_CODENAME[ \t].*\$/deb \2 $suite main\ndeb-src \2 $suite main/p" |
      LC_ALL=C sort -u >"$apt_dir/new/debian.list"
    mv "$apt_dir/new" "$apt_dir/sources"
    apt -qq update
  fi
  apt-get -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$apt_dir/sources" \
    -o Dir::Etc::preferencesparts=/dev/null -o Dir::State::lists="$apt_dir/lists" \
    -o Dir::Cache="$apt_dir/cache" -o APT::Sandbox::User=root "$@"
}

verified() { # file, sum
  echo "$2  $1" | sha256sum -c --status || { echo "make python: $1 is not the file that build.sh names" >&2; exit 1; }
}

fetch() {
  mkdir -p "$work/fetched"
  cd "$work/fetched"
  rm -f -- *
  apt -qq source --download-only --tar-only "python$minor/$suite" "zlib/$suite" "bzip2/$suite" >/dev/null
  apt -qq download wasi-libc
  verified "python${minor}_$python.orig.tar.xz" "$python_sum"
  verified zlib_*.orig.tar.gz "$zlib_sum"
  verified bzip2_*.orig.tar.gz "$bzip2_sum"
  verified wasi-libc_*.deb "$wasi_sum"
  rm -rf "$work/sources" "$work/wasi"
  mkdir "$work/sources"
  tar -xJf python*.orig.tar.xz -C "$work/sources"
  tar -xzf zlib_*.orig.tar.gz -C "$work/sources"
  tar -xzf bzip2_*.orig.tar.gz -C "$work/sources"
  dpkg -x wasi-libc_*.deb "$work/wasi"
  build_python
}

# build_python finds a Python of the same minor version for this machine. Debian 12 has an
# older one, so the suite's own is unpacked, with the C library that it needs.
build_python() {
  own=$(command -v "python$minor") || own=""
  if [ -n "$own" ] && [ "$("$own" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = "$minor" ]; then
    rm -f "$work/build-python"
    printf '#!/bin/sh\nexec %s "$@"\n' "$own" >"$work/build-python"
    chmod +x "$work/build-python"
    return
  fi
  apt -qq download libc6 libexpat1 zlib1g "libpython$minor-minimal" "libpython$minor-stdlib" "python$minor-minimal"
  rm -rf "$work/native" "$work/build-python"
  for deb in libc6_*.deb libexpat1_*.deb zlib1g_*.deb libpython*.deb python*.deb; do
    dpkg -x "$deb" "$work/native"
  done
  cat >"$work/build-python" <<EOF
#!/bin/sh
r=$work/native/usr
PYTHONHOME=\$r exec "\$(ls \$r/lib*/ld-linux*.so.* | head -1)" --library-path "\$(ls -d \$r/lib/*-linux-gnu)" \$r/bin/python$minor "\$@"
EOF
  chmod +x "$work/build-python"
}

wasm_cc="$llvm/clang --target=wasm32-wasi --sysroot=$work/wasi/usr"
export SOURCE_DATE_EPOCH=1 # getbuildinfo.c asks for the date

compile() {
  source=$work/sources/Python-$python
  z=$work/sources/zlib-$zlib
  bz=$work/sources/bzip2-$bzip2
  rm -rf "$source/b"
  mkdir "$source/b"
  cd "$source/b"
  for f in adler32 compress crc32 deflate inffast inflate inftrees trees uncompr zutil; do
    # shellcheck disable=SC2086
    $wasm_cc $optimize -w -c "$z/$f.c" -o "zlib-$f.o"
  done
  "$llvm/llvm-ar" rcsD libz.a zlib-*.o
  for f in blocksort bzlib compress crctable decompress huffman randtable; do
    # shellcheck disable=SC2086
    $wasm_cc $optimize -w -c "$bz/$f.c" -o "bzip2-$f.o"
  done
  "$llvm/llvm-ar" rcsD libbz2.a bzip2-*.o
  # With all answers in config.site the questions take seconds and not minutes.
  PKG_CONFIG=false CONFIG_SITE="../Tools/wasm/config.site-wasm32-wasi $here/config.site" \
  CC="$wasm_cc" CPP="$wasm_cc -E" AR="$llvm/llvm-ar" RANLIB="$llvm/llvm-ranlib" OPT="-DNDEBUG $optimize -w" \
  ZLIB_CFLAGS="-I$z" ZLIB_LIBS="-L. -lz" BZIP2_CFLAGS="-I$bz" BZIP2_LIBS="-L. -lbz2" \
    ../configure -q -C --host=wasm32-unknown-wasi --build="$(uname -m)-pc-linux-gnu" \
    --with-build-python="$work/build-python" --disable-test-modules --without-ensurepip \
    --without-readline --without-doc-strings --prefix=/ >configure.log 2>&1 || { cat configure.log >&2; exit 1; }
  make -s -j"$(nproc)" "libpython$minor.a" Modules/expat/libexpat.a Modules/_decimal/libmpdec/libmpdec.a \
    Modules/_hacl/libHacl_Hash_SHA2.a >make.log 2>&1 || { tail -30 make.log >&2; exit 1; }
  echo "$first" >"$work/compiled"
}

link() {
  b=$work/sources/Python-$python/b
  mkdir -p "$work/linked"
  cd "$work/linked"
  folders=$(for f in src shim; do [ ! -d "$here/../$f" ] || echo "$here/../$f"; done)
  # shellcheck disable=SC2086
  "$work/build-python" -I "$here/freeze.py" . ../sources/Python-$python/Lib $folders
  includes="-I../sources/Python-$python/Include -I../sources/Python-$python/Include/internal -I$b -I$root/guest-sdk/c/include -I."
  # shellcheck disable=SC2086
  $wasm_cc $optimize -std=c23 -w $includes -c frozen.c -o frozen.o
  # shellcheck disable=SC2086
  $wasm_cc $optimize -std=c23 -Wall -Wno-unused-parameter $includes -c "$here/glue.c" -o glue.o
  # shellcheck disable=SC2086
  $wasm_cc $optimize -std=c23 -mbulk-memory -Wall -c "$here/memory.c" -o memory.o
  # shellcheck disable=SC2086
  $wasm_cc $optimize -mexec-model=reactor -Wl,--strip-all,--stack-first,-z,stack-size=$stack,--export=__heap_end \
    -o python.wasm glue.o memory.o frozen.o "$b/libpython$minor.a" "$b/Modules/_decimal/libmpdec/libmpdec.a" \
    "$b/Modules/expat/libexpat.a" "$b/Modules/_hacl/libHacl_Hash_SHA2.a" "$b/libz.a" "$b/libbz2.a" \
    -ldl -lwasi-emulated-signal -lwasi-emulated-getpid -lwasi-emulated-process-clocks -lm
  mv python.wasm "$output"
  echo "$all $(sha256sum <"$output" | cut -d' ' -f1)" >"$work/built"
}

if [ "$(cat "$work/compiled" 2>/dev/null)" != "$first" ]; then
  rm -f "$work/compiled"
  (fetch)
  (compile)
fi
(link)
ls -l "$output"
