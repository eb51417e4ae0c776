//! Workflows: ordinary `async` Rust that Temporal can replay.
//!
//! ```
//! use std::time::Duration;
//! use wasmworker::workflow::{ActivityOptions, Context};
//! use wasmworker::{Result, workflow};
//!
//! #[workflow]
//! async fn order(ctx: Context, item: String) -> Result<String> {
//!     let options = ActivityOptions::start_to_close(Duration::from_secs(60));
//!     let receipt: String = ctx.execute_activity("charge", item, options).await?;
//!     ctx.timer(Duration::from_secs(3600)).await?;
//!     Ok(receipt)
//! }
//! ```
//!
//! The crate is a `cdylib`, as one of activities, but has no activities in it: a module is of one kind.
//!
//! # What a workflow may do
//!
//! Whatever Rust can do without the world outside: the host sees to it that clocks, random numbers and everything else are
//! the same when the history is replayed. `join!`, `select!`, channels and other primitives of any crate that needs no runtime of its own
//! (`futures`, `tokio` with `sync` and `macros`), `HashMap`s and threads of thought ([`Context::spawn`]) are fine. What needs a reactor, such as
//! `tokio::time`, is not there: a [timer](Context::timer) is Temporal's.
//!
//! Blocking blocks the workflow task: `std::thread::sleep` only moves the workflow's clock ahead.
//!
//! # Cancellation
//!
//! When somebody cancels the workflow, the activities, timers, children and conditions that it waits for end with a [`Failure`] that
//! [is a cancellation](Failure::is_cancelled), and new ones do so at once. With the operator `?` the workflow then ends as canceled. What has to be
//! done all the same is done with [`Context::detached`]. Signals are not affected: a workflow that waits for one alone also waits for
//! [`Context::cancelled`].
//!
//! # Panics
//!
//! A panic fails the workflow *task*: the server gives it out again, and a worker with another version of the module can go on.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as Cx, Poll};
use std::time::{Duration, SystemTime};

use serde::Deserialize;

mod failure;
mod host;
mod options;
mod run;
mod tasks;
#[cfg(test)]
mod tests;
mod value;
mod wire;

pub use crate::args;
pub use failure::{Failure, FailureKind};
pub use options::{
    ActivityOptions, CancellationType, ChildWorkflowOptions, LocalActivityOptions, ParentClosePolicy, WorkflowIdReusePolicy,
};
#[doc(hidden)]
pub use run::{__end, __run, __take};
pub use value::{Args, Input, Value};

use crate::{Output, Payload, Priority, RetryPolicy};
use run::{Operation, encode, register, with};
use wire::{Command, Commands, Options, SearchAttribute, milliseconds};

/// What a workflow does everything with. It is a handle: clones are the same workflow.
#[derive(Clone, Debug)]
pub struct Context {
    detached: bool,
}

/// What is known about a run from its beginning on.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Info {
    /// The workflow's ID.
    pub workflow_id: String,
    /// The ID of this run.
    pub run_id: String,
    /// The ID of the first run, before it was continued or tried again.
    pub first_run_id: String,
    /// The ID of this run before it was reset.
    pub original_run_id: String,
    /// The workflow's type.
    pub workflow_type: String,
    /// The task queue.
    pub task_queue: String,
    /// The namespace.
    pub namespace: String,
    /// 1 for the first attempt, 2 for the next.
    pub attempt: u32,
    /// When the run started.
    pub start_time: Option<SystemTime>,
    /// The limit for all runs together; `None` for no limit.
    pub execution_timeout: Option<Duration>,
    /// The limit for this run; `None` for no limit.
    pub run_timeout: Option<Duration>,
    /// The limit for a workflow task.
    pub task_timeout: Option<Duration>,
    /// When it is run again and again.
    pub cron_schedule: String,
    /// The ID of the run that this one continues.
    pub continued_run_id: String,
    /// The workflow of which this one is a child.
    pub parent: Option<Execution>,
    /// The first workflow of the tree that this one is in.
    pub root: Option<Execution>,
    /// How Temporal tries again.
    pub retry_policy: Option<RetryPolicy>,
    /// The priority.
    pub priority: Option<Priority>,
    /// The memo.
    pub memo: BTreeMap<String, Payload>,
    /// The search attributes.
    pub search_attributes: BTreeMap<String, Payload>,
    /// The headers.
    pub headers: BTreeMap<String, Payload>,
    /// The result of the last run of a cron workflow.
    pub last_result: Option<Payload>,
}

/// A run of a workflow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Execution {
    /// The workflow's ID.
    pub workflow_id: String,
    /// The ID of the run.
    pub run_id: String,
    /// The namespace.
    pub namespace: String,
}

/// How much history there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct History {
    /// Events.
    pub length: u64,
    /// Bytes.
    pub size: u64,
    /// Whether the server suggests [`Context::continue_as_new`].
    pub continue_as_new_suggested: bool,
}

impl Context {
    /// What is known about the run.
    pub fn info(&self) -> Rc<Info> {
        with(|state| state.info.clone())
    }

    /// The workflow's time. It stands still until the workflow waits.
    pub fn now(&self) -> SystemTime {
        with(|state| state.now)
    }

    /// How much history there is.
    pub fn history(&self) -> History {
        with(|state| state.history)
    }

    /// A context for what is to be done although the workflow is cancelled.
    pub fn detached(&self) -> Context {
        Context { detached: true }
    }

    /// Whether somebody has cancelled the workflow.
    pub fn is_cancelled(&self) -> bool {
        with(|state| state.cancelled)
    }

    /// Waits until somebody cancels the workflow.
    pub async fn cancelled(&self) {
        std::future::poll_fn(|cx| {
            with(|state| {
                if state.cancelled {
                    return Poll::Ready(());
                }
                register(&mut state.cancel_wakers, cx.waker());
                Poll::Pending
            })
        })
        .await;
    }

    /// Starts an activity, at once. Its result is what the future gives.
    ///
    /// The future may be dropped; the activity then goes on. Its type is the name by which its worker knows it.
    pub fn execute_activity<R: Value>(&self, kind: impl AsRef<str>, input: impl Input, options: ActivityOptions) -> Activity<R> {
        self.activity("activity", kind.as_ref(), input, options.wire())
    }

    /// As [`execute_activity`](Self::execute_activity), on this worker and within the workflow task.
    pub fn execute_local_activity<R: Value>(&self, kind: impl AsRef<str>, input: impl Input, options: LocalActivityOptions) -> Activity<R> {
        self.activity("local_activity", kind.as_ref(), input, options.wire())
    }

    fn activity<R>(&self, command: &'static str, kind: &str, input: impl Input, options: Options<'_>) -> Activity<R> {
        let operation = match input.payloads() {
            Err(error) => Operation::refused(error.into()),
            Ok(args) => Operation::begin(command, !self.detached, |state, id| {
                let args = state.commands.place_all(&args);
                state.commands.push(&Command { command, id, kind, args, options: Some(options), ..Command::default() });
            }),
        };
        Activity { operation, result: PhantomData }
    }

    /// Starts a child workflow, at once. The future gives its result; see [`Child`] for more.
    pub fn execute_child_workflow<R: Value>(
        &self,
        kind: impl AsRef<str>,
        input: impl Input,
        mut options: ChildWorkflowOptions,
    ) -> Child<R> {
        let mut workflow_id = options.workflow_id.clone();
        let operation = match input.payloads() {
            Err(error) => Operation::refused(error.into()),
            Ok(args) => Operation::begin("child", !self.detached, |state, id| {
                if options.workflow_id.is_empty() {
                    let info = &state.info;
                    let run_id = if info.original_run_id.is_empty() { &info.run_id } else { &info.original_run_id };
                    options.workflow_id = format!("{run_id}_{id}");
                    workflow_id.clone_from(&options.workflow_id);
                }
                let args = state.commands.place_all(&args);
                let mut commands = std::mem::take(&mut state.commands);
                let wire = Some(options.wire(&mut commands));
                commands.push(&Command { command: "child", id, kind: kind.as_ref(), args, options: wire, ..Command::default() });
                state.commands = commands;
            }),
        };
        Child { activity: Activity { operation, result: PhantomData }, workflow_id, detached: self.detached }
    }

    /// Starts a timer of Temporal's, of whole milliseconds. Dropping the future cancels it.
    pub fn timer(&self, duration: Duration) -> Timer {
        Timer(Operation::begin("timer", !self.detached, |state, id| {
            let ms = Some(milliseconds(duration));
            state.commands.push(&Command { command: "timer", id, ms, ..Command::default() });
        }))
    }

    /// Waits until a condition is true. It is looked at whenever something has happened to the workflow.
    ///
    /// # Errors
    ///
    /// The workflow was cancelled.
    pub fn wait_condition<F: FnMut() -> bool>(&self, condition: F) -> WaitCondition<F> {
        WaitCondition { condition, cancellable: !self.detached }
    }

    /// The signals of a name. Those that came before are kept for whoever asks for them first.
    pub fn signal<T: Value>(&self, name: impl Into<String>) -> Signal<T> {
        let name = name.into();
        with(|state| {
            state.signals(&name);
        });
        Signal { name, signal: PhantomData }
    }

    /// Calls a function with each signal of a name, also with those that came before. It must not block; it may
    /// [`spawn`](Self::spawn).
    pub fn on_signal<T: Value>(&self, name: impl Into<String>, handler: impl Fn(T) + 'static) {
        let name = name.into();
        let handler = {
            let name = name.clone();
            Rc::new(move |args| {
                if let Some(value) = decode_signal(&name, args) {
                    handler(value);
                }
            })
        };
        run::on_signal(&name, handler);
    }

    /// Answers queries of a name. The function must not change anything, nor begin anything: what it changes is undone.
    pub fn on_query<A: Value, R: Output>(&self, name: impl Into<String>, handler: impl Fn(A) -> crate::Result<R> + 'static) {
        run::on_query(
            name.into(),
            Rc::new(move |args| {
                let value = A::take(args).map_err(|error| Failure::invalid_input(format!("the argument: {error}")))?;
                encode(&handler(value).map_err(|error| Failure::of(&error))?)
            }),
        );
    }

    /// Handles updates of a name. The future that the function returns may wait for whatever a workflow waits for; with the
    /// workflow's end, updates that still run are lost (see [`all_handlers_finished`](Self::all_handlers_finished)).
    pub fn on_update<A: Value + 'static, R: Output, F>(
        &self,
        name: impl Into<String>,
        handler: impl Fn(A) -> F + 'static,
    ) -> UpdateHandler<A>
    where
        F: Future<Output = crate::Result<R>> + 'static,
    {
        let name = name.into();
        fn argument<A: Value>(args: &mut std::vec::IntoIter<Payload>) -> Result<A, Failure> {
            A::take(args).map_err(|error| Failure::invalid_input(format!("the argument: {error}")))
        }
        let update = run::Update {
            validator: Rc::new(|args| argument::<A>(args).map(|_| ())),
            handler: Rc::new(move |args| {
                let future = handler(argument(args)?);
                Ok(Box::pin(async move { encode(&future.await.map_err(|error| Failure::of(&error))?) }))
            }),
        };
        run::on_update(name.clone(), update);
        UpdateHandler { name, argument: PhantomData }
    }

    /// Whether no update is being handled: `ctx.wait_condition(|| ctx.all_handlers_finished())` at the end of a workflow lets
    /// them finish.
    pub fn all_handlers_finished(&self) -> bool {
        with(|state| state.running_updates == 0)
    }

    /// Lets a future run beside the workflow. Dropping the handle does not end it; the workflow's end does.
    pub fn spawn<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> JoinHandle<T> {
        let shared = Rc::new(std::cell::RefCell::new((None, None::<std::task::Waker>)));
        let theirs = shared.clone();
        tasks::spawn(async move {
            let value = future.await;
            let waker = {
                let mut shared = theirs.borrow_mut();
                shared.0 = Some(value);
                shared.1.take()
            };
            waker.into_iter().for_each(std::task::Waker::wake);
        });
        JoinHandle { shared }
    }

    /// Another workflow, to signal or cancel it. An empty run ID is the run that there is.
    pub fn external_workflow(&self, workflow_id: impl Into<String>, run_id: impl Into<String>) -> ExternalWorkflow {
        let execution = Execution { workflow_id: workflow_id.into(), run_id: run_id.into(), namespace: String::new() };
        ExternalWorkflow { execution, child: false }
    }

    /// Whether a change of the workflow's code applies: `true` in runs that begin after it, and in those that have not come
    /// here yet.
    pub fn patched(&self, id: impl AsRef<str>) -> bool {
        host::patched(id.as_ref())
    }

    /// Says that a change applies to all runs by now, so that what was before could be deleted.
    pub fn deprecate_patch(&self, id: impl AsRef<str>) {
        let _ = host::patched(id.as_ref());
    }

    /// Ends this run, and goes on in a new one with another input:
    ///
    /// ```
    /// # use wasmworker::{Result, workflow};
    /// #[workflow]
    /// async fn count(ctx: workflow::Context, n: u64) -> Result<()> {
    ///     if ctx.history().continue_as_new_suggested {
    ///         return Err(ctx.continue_as_new(n + 1).into());
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Panics
    ///
    /// If the input cannot be encoded.
    pub fn continue_as_new(&self, input: impl Input) -> ContinueAsNew {
        let args = input.payloads().unwrap_or_else(|error| panic!("the input of the next run cannot be encoded: {error}"));
        ContinueAsNew { args, ..ContinueAsNew::default() }
    }

    /// A random number, the same when the history is replayed.
    pub fn random(&self) -> u64 {
        let mut bytes = [0; 8];
        host::random(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// A random UUID (version 4), the same when the history is replayed.
    pub fn uuid4(&self) -> String {
        let mut bytes = [0; 16];
        host::random(&mut bytes);
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
    }

    /// Sets a field of the memo. [`Payload::null`] takes it away.
    ///
    /// # Errors
    ///
    /// The value cannot be encoded.
    pub fn upsert_memo(&self, name: impl AsRef<str>, value: &(impl Output + ?Sized)) -> crate::Result<()> {
        let encoded = value.encode()?;
        with(|state| {
            state.must_change("change the memo");
            let placed = match &encoded {
                Some(encoded) => state.commands.place_encoded(encoded),
                None => state.commands.place(&Payload::null()),
            };
            let memo = BTreeMap::from([(name.as_ref(), placed)]);
            state.commands.push(&Command { command: "upsert_memo", memo, ..Command::default() });
        });
        Ok(())
    }

    /// Sets a search attribute, or takes it away.
    ///
    /// # Errors
    ///
    /// The value cannot be encoded.
    pub fn upsert_search_attribute(
        &self,
        name: impl AsRef<str>,
        kind: SearchAttributeType,
        value: Option<&(impl Output + ?Sized)>,
    ) -> crate::Result<()> {
        let encoded = value.map(Output::encode).transpose()?.flatten();
        with(|state| {
            state.must_change("change search attributes");
            let value = encoded.as_ref().map(|encoded| state.commands.place_encoded(encoded));
            let search_attributes = BTreeMap::from([(name.as_ref(), SearchAttribute { kind: kind.name(), value })]);
            state.commands.push(&Command { command: "upsert_search_attributes", search_attributes, ..Command::default() });
        });
        Ok(())
    }

    /// What tools show of the workflow at the moment.
    pub fn set_current_details(&self, text: impl AsRef<str>) {
        with(|state| {
            state.must_change("set the details");
            state.commands.push(&Command { command: "current_details", text: Some(text.as_ref()), ..Command::default() });
        });
    }
}

/// The types of search attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SearchAttributeType {
    /// Text that is searched for words.
    Text,
    /// Text as a whole.
    Keyword,
    /// An integer.
    Int,
    /// A number.
    Double,
    /// True or false.
    Bool,
    /// A time, as text of RFC 3339.
    Datetime,
    /// A list of texts.
    KeywordList,
}

impl SearchAttributeType {
    fn name(self) -> &'static str {
        match self {
            SearchAttributeType::Text => "Text",
            SearchAttributeType::Keyword => "Keyword",
            SearchAttributeType::Int => "Int",
            SearchAttributeType::Double => "Double",
            SearchAttributeType::Bool => "Bool",
            SearchAttributeType::Datetime => "Datetime",
            SearchAttributeType::KeywordList => "KeywordList",
        }
    }
}

/// An activity that runs. It is a future of the result.
#[must_use = "the result of an activity is there once it was awaited"]
#[derive(Debug)]
pub struct Activity<R> {
    operation: Operation,
    result: PhantomData<fn() -> R>,
}

impl<R> Activity<R> {
    /// Asks for its cancellation. The future tells how it ended.
    pub fn cancel(&self) {
        self.operation.cancel();
    }
}

impl<R: Value> Future for Activity<R> {
    type Output = Result<R, Failure>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Cx<'_>) -> Poll<Self::Output> {
        self.operation.poll(cx).map(|outcome| R::of(outcome?).map_err(|error| Failure::invalid_input(format!("the result: {error}"))))
    }
}

/// A child workflow that runs. It is a future of the result.
#[must_use = "the result of a child workflow is there once it was awaited"]
#[derive(Debug)]
pub struct Child<R> {
    activity: Activity<R>,
    workflow_id: String,
    detached: bool,
}

impl<R> Child<R> {
    /// The child's ID.
    pub fn workflow_id(&self) -> &str {
        &self.workflow_id
    }

    /// Waits until the child has started.
    ///
    /// # Errors
    ///
    /// It could not be started.
    pub async fn started(&self) -> Result<Execution, Failure> {
        let run_id = std::future::poll_fn(|cx| self.activity.operation.poll_started(cx)).await?;
        Ok(Execution { workflow_id: self.workflow_id.clone(), run_id, namespace: String::new() })
    }

    /// Signals the child. It must have [started](Self::started).
    pub fn signal(&self, name: impl AsRef<str>, input: impl Input) -> Sent {
        let execution = Execution { workflow_id: self.workflow_id.clone(), ..Execution::default() };
        ExternalWorkflow { execution, child: true }.signal(name, input)
    }

    /// Asks for its cancellation. The future tells how it ended.
    pub fn cancel(&self) {
        self.activity.cancel();
    }

    /// Whether the workflow's cancellation leaves it alone.
    pub fn is_detached(&self) -> bool {
        self.detached
    }
}

impl<R: Value> Future for Child<R> {
    type Output = Result<R, Failure>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Cx<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.activity).poll(cx)
    }
}

/// A timer that runs.
#[must_use = "a timer that is dropped is cancelled"]
#[derive(Debug)]
pub struct Timer(Operation);

impl Future for Timer {
    type Output = Result<(), Failure>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Cx<'_>) -> Poll<Self::Output> {
        self.0.poll(cx).map(|outcome| outcome.map(|_| ()))
    }
}

/// A workflow that this one knows by its ID.
#[derive(Clone, Debug)]
pub struct ExternalWorkflow {
    execution: Execution,
    child: bool,
}

impl ExternalWorkflow {
    /// Sends a signal. The future tells whether it was delivered.
    pub fn signal(&self, name: impl AsRef<str>, input: impl Input) -> Sent {
        let args = match input.payloads() {
            Err(error) => return Sent(Operation::refused(error.into())),
            Ok(args) => args,
        };
        Sent(Operation::begin("signal_external", false, |state, id| {
            let args = state.commands.place_all(&args);
            let (workflow_id, run_id) = (&*self.execution.workflow_id, &*self.execution.run_id);
            let command = Command { command: "signal_external", id, workflow_id, run_id, name: name.as_ref(), args, ..Command::default() };
            state.commands.push(&Command { child_only: self.child, ..command });
        }))
    }

    /// Asks for its cancellation. The future tells whether that was delivered.
    pub fn cancel(&self) -> Sent {
        Sent(Operation::begin("cancel_external", false, |state, id| {
            let (workflow_id, run_id) = (&*self.execution.workflow_id, &*self.execution.run_id);
            state.commands.push(&Command { command: "cancel_external", id, workflow_id, run_id, ..Command::default() });
        }))
    }
}

/// Something that was sent to another workflow.
#[must_use = "whether it was delivered is known once it was awaited"]
#[derive(Debug)]
pub struct Sent(Operation);

impl Future for Sent {
    type Output = Result<(), Failure>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Cx<'_>) -> Poll<Self::Output> {
        self.0.poll(cx).map(|outcome| outcome.map(|_| ()))
    }
}

/// The future of [`Context::wait_condition`].
#[must_use = "a condition is looked at while it is awaited"]
pub struct WaitCondition<F> {
    condition: F,
    cancellable: bool,
}

impl<F> fmt::Debug for WaitCondition<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitCondition").finish_non_exhaustive()
    }
}

impl<F> Unpin for WaitCondition<F> {}

impl<F: FnMut() -> bool> Future for WaitCondition<F> {
    type Output = Result<(), Failure>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Cx<'_>) -> Poll<Self::Output> {
        let holds = (self.condition)();
        with(|state| {
            if holds {
                state.satisfied += 1;
                return Poll::Ready(Ok(()));
            }
            if self.cancellable && state.cancelled {
                state.satisfied += 1;
                return Poll::Ready(Err(Failure::canceled("the workflow was cancelled")));
            }
            register(&mut state.conditions, cx.waker());
            Poll::Pending
        })
    }
}

/// The signals of a name, one after the other.
#[derive(Debug)]
pub struct Signal<T> {
    name: String,
    signal: PhantomData<fn() -> T>,
}

impl<T: Value> Signal<T> {
    /// Waits for the next signal. One that cannot be decoded is logged and left out.
    ///
    /// A signal is taken when the future is ready, so that none is lost with a future that is dropped.
    pub async fn recv(&mut self) -> T {
        std::future::poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// The next signal, if there is one.
    pub fn try_recv(&mut self) -> Option<T> {
        loop {
            let args = with(|state| state.signals(&self.name).queue.pop_front())?;
            if let Some(value) = decode_signal(&self.name, args) {
                return Some(value);
            }
        }
    }

    /// As [`recv`](Self::recv), for a future of one's own.
    pub fn poll_recv(&mut self, cx: &mut Cx<'_>) -> Poll<T> {
        if let Some(value) = self.try_recv() {
            return Poll::Ready(value);
        }
        with(|state| register(&mut state.signals(&self.name).wakers, cx.waker()));
        Poll::Pending
    }
}

fn decode_signal<T: Value>(name: &str, args: Vec<Payload>) -> Option<T> {
    T::take(&mut args.into_iter()).map_err(|error| log::error!("a signal {name} was left out: {error}")).ok()
}

/// An update that is handled.
#[derive(Debug)]
pub struct UpdateHandler<A> {
    name: String,
    argument: PhantomData<fn() -> A>,
}

impl<A: Value + 'static> UpdateHandler<A> {
    /// Lets a function look at each update before it is accepted. It must not change anything: what it changes is undone. An
    /// update that it refuses leaves no trace in the history.
    pub fn validator(self, validator: impl Fn(&A) -> crate::Result<()> + 'static) {
        let validate = move |args: &mut std::vec::IntoIter<Payload>| {
            let value = A::take(args).map_err(|error| Failure::invalid_input(format!("the argument: {error}")))?;
            validator(&value).map_err(|error| Failure::of(&error))
        };
        run::set_validator(&self.name, Rc::new(validate));
    }
}

/// A future of the result of what [`Context::spawn`] let run.
pub struct JoinHandle<T> {
    shared: Rc<std::cell::RefCell<(Option<T>, Option<std::task::Waker>)>>,
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").finish_non_exhaustive()
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = T;
    fn poll(self: Pin<&mut Self>, cx: &mut Cx<'_>) -> Poll<T> {
        let mut shared = self.shared.borrow_mut();
        match shared.0.take() {
            Some(value) => Poll::Ready(value),
            None => {
                shared.1 = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// The error with which a run ends that goes on in a new one: see [`Context::continue_as_new`].
#[derive(Debug, Default)]
pub struct ContinueAsNew {
    args: Vec<Payload>,
    kind: String,
    task_queue: String,
    run_timeout: Option<Duration>,
    task_timeout: Option<Duration>,
}

impl ContinueAsNew {
    /// The type of the next run; the same otherwise.
    pub fn workflow_type(mut self, kind: impl Into<String>) -> Self {
        self.kind = kind.into();
        self
    }

    /// The task queue of the next run; the same otherwise.
    pub fn task_queue(mut self, task_queue: impl Into<String>) -> Self {
        self.task_queue = task_queue.into();
        self
    }

    /// The limit for the next run; the same otherwise.
    pub fn run_timeout(mut self, timeout: Duration) -> Self {
        self.run_timeout = Some(timeout);
        self
    }

    /// The limit for its workflow tasks; the same otherwise.
    pub fn task_timeout(mut self, timeout: Duration) -> Self {
        self.task_timeout = Some(timeout);
        self
    }

    fn push(&self, commands: &mut Commands) {
        let args = commands.place_all(&self.args);
        let options = Options {
            task_queue: &self.task_queue,
            run_timeout_ms: options::limit(self.run_timeout),
            task_timeout_ms: options::limit(self.task_timeout),
            ..Options::default()
        };
        commands.push(&Command { command: "continue_as_new", kind: &self.kind, args, options: Some(options), ..Command::default() });
    }
}

impl fmt::Display for ContinueAsNew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the workflow goes on in a new run")
    }
}

impl std::error::Error for ContinueAsNew {}
