//! Workflows for the tests of the host: one for each thing that a workflow can do. The activities that they call are `echo`, which returns
//! its argument (`Echo` of a module does so as a local one), `fail`, which fails with type `Declined` and is not retried, and `hang`, which ends when it is cancelled.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use wasmworker::workflow::{ActivityOptions, ChildWorkflowOptions, Context, Failure, LocalActivityOptions, args};
use wasmworker::{ApplicationError, Result, log, workflow};

fn options() -> ActivityOptions {
    ActivityOptions::start_to_close(Duration::from_secs(10))
}

#[derive(Deserialize)]
struct Order {
    item: String,
    amount: u32,
}

#[derive(Serialize)]
struct Receipt {
    item: String,
    charged: Vec<u32>,
    first: &'static str,
    approved_by: String,
    id: String,
}

/// Everything together: activities one after the other and at once, a race with a timer, a signal, a query and random numbers.
#[workflow(name = "RustOrder")]
async fn order(ctx: Context, order: Order) -> Result<Receipt> {
    let step = Rc::new(Cell::new("charging"));
    let shown = step.clone();
    ctx.on_query("step", move |()| Ok(shown.get()));
    let mut approvals = ctx.signal::<String>("approve");

    let item: String = ctx.execute_activity("echo", &order.item, options()).await?;
    let half = |amount: u32| ctx.execute_activity::<u32>("echo", amount, options());
    let (a, b) = futures_util::join!(half(order.amount / 2), half(order.amount - order.amount / 2));
    let charged = vec![a?, b?];
    // Which branch it looks at first is drawn at random, and is the same in a replay.
    let first = tokio::select! {
        done = ctx.execute_activity::<String>("echo", "activity", options()) => { done?; "activity" }
        fired = ctx.timer(Duration::from_secs(60)) => { fired?; "timer" }
    };
    step.set("waiting for approval");
    let approved_by = approvals.recv().await;
    step.set("done");
    log::info!(approved_by = approved_by.as_str(); "the order is approved");
    Ok(Receipt { item, charged, first, approved_by, id: ctx.uuid4() })
}

/// Calls an activity so often, one call after the other.
#[workflow(name = "RustLoop")]
async fn repeat(ctx: Context, times: u64) -> Result<u64> {
    let mut sum = 0;
    for n in 0..times {
        sum += ctx.execute_activity::<u64>("echo", n, options()).await?;
    }
    Ok(sum)
}

/// A counter, by updates with a validator and by signals, that ends when it is told to.
#[workflow(name = "RustCounter")]
async fn counter(ctx: Context, start: i64) -> Result<i64> {
    let total = Rc::new(Cell::new(start));
    let done = Rc::new(Cell::new(false));
    let context = ctx.clone();
    let sum = total.clone();
    ctx.on_update("add", move |n: i64| {
        let (ctx, sum) = (context.clone(), sum.clone());
        async move {
            let n: i64 = ctx.execute_activity("echo", n, options()).await?;
            sum.set(sum.get() + n);
            Ok(sum.get())
        }
    })
    .validator(|&n| if n < 0 { Err(ApplicationError::new("Negative", "only what is positive can be added").into()) } else { Ok(()) });
    let sum = total.clone();
    ctx.on_query("total", move |()| {
        sum.set(sum.get()); // a write that is undone
        Ok(sum.get())
    });
    let sum = total.clone();
    ctx.on_signal("add", move |n: i64| sum.set(sum.get() + n));
    let end = done.clone();
    ctx.on_signal("end", move |()| end.set(true));
    ctx.wait_condition(|| done.get() && ctx.all_handlers_finished()).await?;
    Ok(total.get())
}

/// Tasks that talk over channels.
#[workflow(name = "RustTasks")]
async fn tasks(ctx: Context, n: u32) -> Result<Vec<u32>> {
    let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
    for k in 0..n {
        let (ctx, sender) = (ctx.clone(), sender.clone());
        let _ = ctx.clone().spawn(async move {
            let got: Result<u32, Failure> = ctx.execute_activity("echo", k, options()).await;
            let _ = sender.send(got).await;
        });
    }
    drop(sender);
    let mut all = HashMap::new();
    while let Some(got) = receiver.recv().await {
        *all.entry(got?).or_insert(0) += 1;
    }
    let mut keys: Vec<u32> = all.into_keys().collect();
    keys.sort_unstable();
    Ok(keys)
}

/// Cleans up after it was cancelled.
#[workflow(name = "RustCancelled")]
async fn cancelled(ctx: Context) -> Result<()> {
    let cleaned = Rc::new(RefCell::new(String::new()));
    let shown = cleaned.clone();
    ctx.on_query("cleaned", move |()| Ok(shown.borrow().clone()));
    let outcome: Result<(), Failure> = ctx.execute_activity("hang", (), options()).await;
    let text: String = ctx.detached().execute_activity("echo", "cleaned up", options()).await?;
    *cleaned.borrow_mut() = text;
    Ok(outcome?)
}

/// Fails as it is told.
#[workflow(name = "RustFails")]
async fn fails(ctx: Context, how: String) -> Result<()> {
    match how.as_str() {
        "activity" => Ok(ctx.execute_activity("fail", (), options()).await?),
        "application" => Err(ApplicationError::new("Bad", "it is bad").non_retryable().detail(&[1, 2]).into()),
        "wrapped" => {
            let failure = ctx.execute_activity::<()>("fail", (), options()).await.expect_err("it fails");
            let kind = failure.application().map_or_else(String::new, |failure| failure.error_type.clone());
            Err(ApplicationError::new(format!("Wrapped{kind}"), "an activity failed").caused_by(failure).into())
        }
        "panic" => panic!("out of order"),
        _ => Err("no such way".parse::<u8>().expect_err("it is no number").into()),
    }
}

/// Has a child, signals it, and gives back what the child returns.
#[workflow(name = "RustParent")]
async fn parent(ctx: Context, start: i64) -> Result<i64> {
    let child = ctx.execute_child_workflow::<i64>("RustCounter", start, ChildWorkflowOptions::default());
    let execution = child.started().await?;
    log::info!(id = execution.workflow_id.as_str(); "the child has started");
    child.signal("add", 2).await?;
    child.signal("end", ()).await?;
    Ok(child.await?)
}

/// Goes on in new runs.
#[workflow(name = "RustContinues")]
async fn continues(ctx: Context, left: u32, sum: u32) -> Result<u32> {
    if left == 0 {
        return Ok(sum);
    }
    ctx.timer(Duration::from_millis(1)).await?;
    Err(ctx.continue_as_new(args![left - 1, sum + left]).into())
}

/// Shows something of itself, and signals another workflow.
#[workflow(name = "RustShown")]
async fn shown(ctx: Context, other: String) -> Result<String> {
    ctx.upsert_memo("tenant", "acme")?;
    ctx.set_current_details("halfway");
    let text: String = ctx.execute_local_activity("Echo", "local", LocalActivityOptions::start_to_close(Duration::from_secs(5))).await?;
    match ctx.external_workflow(other, "").signal("add", 1).await {
        Ok(()) => Ok(text),
        Err(failure) => Ok(format!("{text}: {failure}")),
    }
}

/// Code that was changed.
#[workflow(name = "RustPatched")]
async fn patched(ctx: Context) -> Result<&'static str> {
    Ok(if ctx.patched("second") { "new" } else { "old" })
}
