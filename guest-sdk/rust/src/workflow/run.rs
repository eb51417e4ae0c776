//! The state of a run, from its activations to its commands.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as Cx, Poll, Waker};
use std::time::SystemTime;
use std::vec::IntoIter;

use super::failure::Failure;
use super::tasks::{run_until_stalled, spawn};
use super::wire::{self, Command, Commands, Handler, Job};
use super::{Context, ContinueAsNew, History, Info, Value};
use crate::error::find;
use crate::info::parse_time;
use crate::payload::Encoded;
use crate::{Error, Output, Payload};

/// What is known about a run between two activations, but for its tasks.
pub(super) struct State {
    pub(super) now: SystemTime,
    pub(super) history: History,
    pub(super) info: Rc<Info>,
    pub(super) cancelled: bool,
    pub(super) cancel_wakers: Vec<Waker>,
    /// Tasks that wait for a condition, whose value nobody tells.
    pub(super) conditions: Vec<Waker>,
    /// How many conditions have come true.
    pub(super) satisfied: u64,
    pub(super) running_updates: usize,
    pub(super) commands: Commands,
    last_id: u64,
    operations: BTreeMap<u64, Begun>,
    signals: BTreeMap<String, Signals>,
    queries: BTreeMap<String, Rc<Query>>,
    updates: BTreeMap<String, Update>,
    describe: bool,
    /// The call that must not change anything.
    read_only: Option<&'static str>,
    ended: bool,
}

type Query = dyn Fn(&mut IntoIter<Payload>) -> Result<Option<Payload>, Failure>;
type Validator = dyn Fn(&mut IntoIter<Payload>) -> Result<(), Failure>;
type Answer = Pin<Box<dyn Future<Output = Result<Option<Payload>, Failure>>>>;
type SignalHandler = dyn Fn(Vec<Payload>);

pub(super) struct Update {
    pub(super) validator: Rc<Validator>,
    pub(super) handler: Rc<dyn Fn(&mut IntoIter<Payload>) -> Result<Answer, Failure>>,
}

#[derive(Default)]
pub(super) struct Signals {
    pub(super) queue: VecDeque<Vec<Payload>>,
    pub(super) wakers: Vec<Waker>,
    handler: Option<Rc<SignalHandler>>,
    described: bool,
}

/// What a command began.
struct Begun {
    what: &'static str,
    outcome: Option<Result<Option<Payload>, Failure>>,
    run_id: Option<String>, // of a child that has started
    waker: Option<Waker>,
    started: Option<Waker>,
    cancellable: bool, // by the cancellation of the run
    cancel_sent: bool,
    abandoned: bool, // nobody waits for it any more
}

thread_local! {
    static STATE: RefCell<State> = RefCell::new(State::new());
}

/// Looks at the state. Nothing of the program may be called or dropped within.
pub(super) fn with<R>(f: impl FnOnce(&mut State) -> R) -> R {
    STATE.with_borrow_mut(f)
}

/// Adds a waker, once for each task.
pub(super) fn register(wakers: &mut Vec<Waker>, waker: &Waker) {
    if !wakers.iter().any(|known| known.will_wake(waker)) {
        wakers.push(waker.clone());
    }
}

impl State {
    fn new() -> State {
        State {
            now: SystemTime::UNIX_EPOCH,
            history: History::default(),
            info: Rc::default(),
            cancelled: false,
            cancel_wakers: Vec::new(),
            conditions: Vec::new(),
            satisfied: 0,
            running_updates: 0,
            commands: Commands::default(),
            last_id: 0,
            operations: BTreeMap::new(),
            signals: BTreeMap::new(),
            queries: BTreeMap::new(),
            updates: BTreeMap::new(),
            describe: false,
            read_only: None,
            ended: false,
        }
    }

    /// Sees to it that queries and validators change nothing.
    pub(super) fn must_change(&self, what: &str) {
        if let Some(call) = self.read_only {
            panic!("{call} cannot {what}: it must not change anything");
        }
    }

    /// Whether commands are still taken.
    pub(super) fn runs(&self) -> bool {
        !self.ended
    }

    pub(super) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    pub(super) fn signals(&mut self, name: &str) -> &mut Signals {
        if !self.signals.contains_key(name) {
            self.signals.insert(name.to_owned(), Signals::default());
        }
        let signals = self.signals.get_mut(name).expect("it is there by now");
        if !signals.described {
            (signals.described, self.describe) = (true, true);
        }
        signals
    }

    fn push_describe(&mut self) {
        if !std::mem::take(&mut self.describe) {
            return;
        }
        fn handlers<V>(map: &BTreeMap<String, V>) -> Vec<Handler<'_>> {
            map.keys().map(|name| Handler { name }).collect()
        }
        let mut signals = handlers(&self.signals);
        signals.retain(|signal| self.signals[signal.name].described);
        self.commands.push_first(&Command {
            command: "describe",
            signals,
            queries: handlers(&self.queries),
            updates: handlers(&self.updates),
            ..Command::default()
        });
    }

    fn names<V>(map: &BTreeMap<String, V>) -> String {
        if map.is_empty() { "none".to_owned() } else { map.keys().map(String::as_str).collect::<Vec<_>>().join(", ") }
    }
}

pub(super) fn on_signal(name: &str, handler: Rc<SignalHandler>) {
    let (_old, buffered) = with(|state| {
        let signals = state.signals(name);
        (signals.handler.replace(handler.clone()), std::mem::take(&mut signals.queue))
    });
    buffered.into_iter().for_each(|args| handler(args));
}

pub(super) fn on_query(name: String, handler: Rc<Query>) {
    let _old = with(|state| {
        state.describe = true;
        state.queries.insert(name, handler)
    });
}

pub(super) fn on_update(name: String, update: Update) {
    let _old = with(|state| {
        state.describe = true;
        state.updates.insert(name, update)
    });
}

pub(super) fn set_validator(name: &str, validator: Rc<Validator>) {
    let _old = with(|state| state.updates.get_mut(name).map(|update| std::mem::replace(&mut update.validator, validator)));
}

pub(super) fn encode(value: &impl Output) -> Result<Option<Payload>, Failure> {
    Ok(value.encode()?.map(Encoded::into_payload))
}

/// What a workflow waits for: an activity, a timer, a child.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) id: u64,
    /// Why it was not even begun.
    refused: Option<Failure>,
    /// Nobody but the workflow is concerned, so that there is no use in it when the future is dropped.
    cancel_on_drop: bool,
}

impl Operation {
    pub(super) fn refused(failure: Failure) -> Operation {
        Operation { id: 0, refused: Some(failure), cancel_on_drop: false }
    }

    /// Begins something, by a command that is made with its number.
    pub(super) fn begin(what: &'static str, cancellable: bool, command: impl FnOnce(&mut State, u64)) -> Operation {
        with(|state| {
            state.must_change("begin anything");
            if cancellable && state.cancelled {
                return Operation::refused(Failure::canceled("the workflow was cancelled"));
            }
            let id = state.next_id();
            if state.runs() {
                command(state, id);
            }
            let begun =
                Begun { what, outcome: None, run_id: None, waker: None, started: None, cancellable, cancel_sent: false, abandoned: false };
            state.operations.insert(id, begun);
            Operation { id, refused: None, cancel_on_drop: what == "timer" }
        })
    }

    pub(super) fn poll(&mut self, cx: &mut Cx<'_>) -> Poll<Result<Option<Payload>, Failure>> {
        if let Some(failure) = self.refused.take() {
            return Poll::Ready(Err(failure));
        }
        with(|state| {
            let begun = state.operations.get_mut(&self.id).expect("a future is not polled after it was ready");
            match begun.outcome.take() {
                Some(outcome) => {
                    state.operations.remove(&self.id);
                    Poll::Ready(outcome)
                }
                None => {
                    begun.waker = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
    }

    pub(super) fn poll_started(&self, cx: &mut Cx<'_>) -> Poll<Result<String, Failure>> {
        if let Some(failure) = &self.refused {
            return Poll::Ready(Err(failure.clone()));
        }
        with(|state| match state.operations.get_mut(&self.id) {
            Some(Begun { run_id: Some(run_id), .. }) => Poll::Ready(Ok(run_id.clone())),
            Some(Begun { outcome: Some(Err(failure)), .. }) => Poll::Ready(Err(failure.clone())),
            Some(Begun { outcome: Some(Ok(_)), .. }) | None => Poll::Ready(Ok(String::new())),
            Some(begun) => {
                begun.started = Some(cx.waker().clone());
                Poll::Pending
            }
        })
    }

    pub(super) fn cancel(&self) {
        with(|state| {
            let runs = state.runs();
            if let Some(begun) = state.operations.get_mut(&self.id).filter(|begun| begun.outcome.is_none() && !begun.cancel_sent) {
                begun.cancel_sent = true;
                if runs {
                    state.commands.push(&Command { command: "cancel", id: self.id, ..Command::default() });
                }
            }
        });
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        // In a native build, a thread may end with its tasks.
        let _ = STATE.try_with(|state| {
            let Ok(mut state) = state.try_borrow_mut() else { return };
            let runs = state.runs() && state.read_only.is_none();
            let Some(begun) = state.operations.get_mut(&self.id) else { return };
            if begun.outcome.is_some() {
                state.operations.remove(&self.id);
            } else if self.cancel_on_drop {
                let send = runs && !begun.cancel_sent;
                state.operations.remove(&self.id);
                if send {
                    state.commands.push(&Command { command: "cancel", id: self.id, ..Command::default() });
                }
            } else {
                (begun.abandoned, begun.waker) = (true, None);
            }
        });
    }
}

fn resolve(id: u64, outcome: Result<Option<Payload>, Failure>) {
    let wakers = with(|state| {
        let begun = state.operations.get_mut(&id)?;
        if begun.abandoned {
            state.operations.remove(&id);
            return None;
        }
        begun.outcome = Some(outcome);
        Some((begun.waker.take(), begun.started.take()))
    });
    if let Some((waker, started)) = wakers {
        waker.into_iter().chain(started).for_each(Waker::wake);
    }
}

fn started(id: u64, run_id: String) {
    let waker = with(|state| {
        let begun = state.operations.get_mut(&id)?;
        begun.run_id = Some(run_id);
        begun.started.take()
    });
    waker.into_iter().for_each(Waker::wake);
}

fn cancel_run() {
    let wakers = with(|state| {
        state.cancelled = true;
        for (&id, begun) in &mut state.operations {
            if begun.cancellable && begun.outcome.is_none() && !begun.cancel_sent {
                begun.cancel_sent = true;
                state.commands.push(&Command { command: "cancel", id, ..Command::default() });
            }
        }
        std::mem::take(&mut state.cancel_wakers)
    });
    wakers.into_iter().for_each(Waker::wake);
}

fn deliver(name: &str, args: Vec<Payload>) {
    let handler = with(|state| {
        let signals = state.signals.entry(name.to_owned()).or_default();
        match &signals.handler {
            Some(handler) => Ok((handler.clone(), args)),
            None => {
                signals.queue.push_back(args);
                Err(std::mem::take(&mut signals.wakers))
            }
        }
    });
    match handler {
        Ok((handler, args)) => handler(args),
        Err(wakers) => wakers.into_iter().for_each(Waker::wake),
    }
}

fn update(id: String, name: &str, args: Vec<Payload>) {
    let handler = with(|state| state.updates.get(name).map(|update| update.handler.clone()));
    let answer = match handler {
        Some(handler) => handler(&mut args.into_iter()),
        None => Err(unknown_update(name)),
    };
    with(|state| state.running_updates += 1);
    spawn(async move {
        let outcome = match answer {
            Ok(answer) => answer.await,
            Err(failure) => Err(failure),
        };
        with(|state| {
            state.running_updates -= 1;
            if state.runs() {
                state.outcome("updated", &id, outcome);
            }
        });
    });
}

impl State {
    fn outcome(&mut self, command: &'static str, update_id: &str, outcome: Result<Option<Payload>, Failure>) {
        let mut command = Command { command, update_id, ..Command::default() };
        match &outcome {
            Ok(result) => command.result = result.as_ref().map(|result| self.commands.place(result)),
            Err(failure) => command.failure = Some(self.commands.place_failure(failure)),
        }
        self.commands.push(&command);
    }
}

fn unknown_update(name: &str) -> Failure {
    let names = with(|state| State::names(&state.updates));
    Failure::new("UnknownUpdate", format!("there is no handler of the update {name}; those that there are: {names}"))
}

fn validate(name: &str, args: Vec<Payload>) -> Result<(), Failure> {
    let validator = with(|state| {
        state.read_only = Some("a validator");
        state.updates.get(name).map(|update| update.validator.clone())
    });
    validator.ok_or_else(|| unknown_update(name))?(&mut args.into_iter())
}

fn query(name: &str, args: Vec<Payload>) -> Result<Option<Payload>, Failure> {
    let handler = with(|state| {
        state.read_only = Some("a query");
        state.queries.get(name).cloned()
    });
    match handler {
        Some(handler) => handler(&mut args.into_iter()),
        None if name == "__stack_trace" => Ok(Some(Payload::json(&waits())?)),
        None => {
            let names = with(|state| State::names(&state.queries));
            Err(Failure::new("UnknownQuery", format!("there is no handler of the query {name}; those that there are: {names}")))
        }
    }
}

/// What the run waits for, as text.
fn waits() -> String {
    with(|state| {
        let begun = state.operations.iter().filter(|(_, begun)| begun.outcome.is_none() && !begun.abandoned);
        let mut lines: Vec<String> = begun.map(|(id, begun)| format!("waits for {} {id}", begun.what)).collect();
        let signals = state.signals.iter().filter(|(_, signals)| !signals.wakers.is_empty());
        lines.extend(signals.map(|(name, _)| format!("waits for signal {name}")));
        if !state.conditions.is_empty() {
            lines.push("waits for a condition".to_owned());
        }
        lines.join("\n")
    })
}

/// How a workflow ended.
pub(super) type Ended = Result<Option<Payload>, Error>;

fn end(ended: Ended) {
    with(|state| {
        if !state.runs() {
            return;
        }
        match ended {
            Ok(result) => {
                let result = result.as_ref().map(|result| state.commands.place(result));
                state.commands.push(&Command { command: "complete", result, ..Command::default() });
            }
            Err(error) => match find::<ContinueAsNew>(&*error) {
                Some(next) => next.push(&mut state.commands),
                None => state.fail(&Failure::of(&error)),
            },
        }
        state.ended = true;
    });
}

impl State {
    fn fail(&mut self, failure: &Failure) {
        if self.cancelled && failure.is_cancelled() {
            let details = failure.chain().find(|failure| failure.kind == super::FailureKind::Canceled);
            let details = details.map(|canceled| self.commands.place_all(&canceled.details)).unwrap_or_default();
            self.commands.push(&Command { command: "canceled", details, ..Command::default() });
        } else {
            let failure = Some(self.commands.place_failure(failure));
            self.commands.push(&Command { command: "fail", failure, ..Command::default() });
        }
    }
}

/// The future of a workflow, which is begun with its arguments.
type Main = Pin<Box<dyn Future<Output = Ended>>>;

#[doc(hidden)]
pub fn __end<T: Output, E: Into<Error>>(main: impl Future<Output = Result<T, E>> + 'static) -> Main {
    Box::pin(async move {
        let result = main.await.map_err(Into::into)?;
        encode(&result).map_err(Error::from)
    })
}

#[doc(hidden)]
pub fn __take<T: Value>(args: &mut IntoIter<Payload>, index: usize, label: &str) -> Result<T, Failure> {
    T::take(args).map_err(|error| {
        let name = if label.is_empty() { String::new() } else { format!(" ({label})") };
        Failure::invalid_input(format!("argument {}{name}: {error}", index + 1))
    })
}

/// What an export of a workflow does.
#[doc(hidden)]
pub fn __run(start: impl FnOnce(Context, &mut IntoIter<Payload>) -> Result<Main, Failure>) -> i32 {
    crate::run::install();
    if let Some(frame) = activate(&super::host::activation(), start) {
        super::host::commands(&frame);
    }
    0
}

/// Runs everything until it waits. Returns the frame of the commands, if there are any.
pub(super) fn activate(frame: &[u8], start: impl FnOnce(Context, &mut IntoIter<Payload>) -> Result<Main, Failure>) -> Option<Vec<u8>> {
    let (activation, body) = wire::split(frame);
    with(|state| {
        state.now = parse_time(activation.now).unwrap_or(SystemTime::UNIX_EPOCH);
        state.history = activation.history;
    });
    let mut start = Some(start);
    for job in activation.jobs {
        match job.job {
            "start" => begin(job, body, start.take().expect("a run starts once")),
            "resolve" => resolve(
                job.id,
                match job.failure {
                    Some(failure) => Err(failure.failure(body)),
                    None => Ok(job.result.map(|result| result.payload(body))),
                },
            ),
            "started" => started(job.id, job.run_id),
            "signal" => deliver(&job.name, wire::payloads(job.args, body)),
            "cancel" => cancel_run(),
            "update" => update(job.update_id, &job.name, wire::payloads(job.args, body)),
            "wake" => {} // this executor asks for timers
            "query" | "validate" => {
                let args = wire::payloads(job.args, body);
                let answer = if job.job == "query" { query(&job.name, args) } else { validate(&job.name, args).map(|()| None) };
                return with(|state| {
                    state.read_only = None;
                    state.outcome("answer", "", answer);
                    state.commands.take_frame()
                });
            }
            other => panic!("the host has a job that this SDK does not know: {other}"),
        }
        run_until_stalled();
    }
    with(|state| {
        state.push_describe();
        state.commands.take_frame()
    })
}

fn begin(job: Job<'_>, body: &[u8], start: impl FnOnce(Context, &mut IntoIter<Payload>) -> Result<Main, Failure>) {
    let info = job.info.map(|info| info.info(job.headers, body)).unwrap_or_default();
    with(|state| state.info = Rc::new(info));
    match start(Context { detached: false }, &mut wire::payloads(job.args, body).into_iter()) {
        Ok(main) => spawn(async { end(main.await) }),
        Err(failure) => end(Err(failure.into())),
    }
}

/// Forgets the run of this thread.
#[cfg(test)]
pub(super) fn forget() {
    super::tasks::forget();
    let _state = STATE.replace(State::new());
}
