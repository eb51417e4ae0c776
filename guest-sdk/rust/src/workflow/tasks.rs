//! The executor of a run's tasks.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context as Cx, Wake, Waker};

use super::run::with;

thread_local!(static TASKS: RefCell<Tasks> = RefCell::default());

#[derive(Default)]
struct Tasks {
    tasks: Vec<Option<Task>>,
    free: Vec<usize>,
    ready: Arc<Ready>,
}

struct Task {
    future: Pin<Box<dyn Future<Output = ()>>>,
    waker: Arc<TaskWaker>,
}

/// The tasks that are to be polled, in the order in which they were woken.
type Ready = Mutex<VecDeque<usize>>;

struct TaskWaker {
    index: usize,
    queued: AtomicBool,
    ready: Arc<Ready>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            self.ready.lock().expect("nothing panics with the queue").push_back(self.index);
        }
    }
}

pub(super) fn spawn(future: impl Future<Output = ()> + 'static) {
    TASKS.with_borrow_mut(|tasks| {
        let index = tasks.free.pop().unwrap_or_else(|| {
            tasks.tasks.push(None);
            tasks.tasks.len() - 1
        });
        let waker = Arc::new(TaskWaker { index, queued: AtomicBool::new(false), ready: tasks.ready.clone() });
        waker.wake_by_ref();
        tasks.tasks[index] = Some(Task { future: Box::pin(future), waker });
    });
}

pub(super) fn run_until_stalled() {
    loop {
        drain();
        let (waiting, satisfied) = with(|state| (std::mem::take(&mut state.conditions), state.satisfied));
        if waiting.is_empty() {
            return;
        }
        waiting.into_iter().for_each(Waker::wake);
        drain();
        if with(|state| state.satisfied == satisfied) {
            return;
        }
    }
}

/// Polls tasks until none is ready.
fn drain() {
    let ready = TASKS.with_borrow(|tasks| tasks.ready.clone());
    let next = || ready.lock().expect("nothing panics with the queue").pop_front();
    while let Some(index) = next() {
        let Some(mut task) = TASKS.with_borrow_mut(|tasks| tasks.tasks[index].take()) else { continue };
        task.waker.queued.store(false, Ordering::Relaxed);
        let waker = Waker::from(task.waker.clone());
        if task.future.as_mut().poll(&mut Cx::from_waker(&waker)).is_pending() {
            TASKS.with_borrow_mut(|tasks| tasks.tasks[index] = Some(task));
        } else {
            drop(task);
            TASKS.with_borrow_mut(|tasks| tasks.free.push(index));
        }
    }
}

/// Drops the tasks of this thread.
#[cfg(test)]
pub(super) fn forget() {
    let _tasks = TASKS.take();
}
