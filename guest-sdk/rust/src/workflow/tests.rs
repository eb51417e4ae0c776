use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use serde_json::{Value as Json, json};

use super::run::{self, __end, __take, activate};
use super::*;
use crate::{ApplicationError, Bytes, Error, Payload, Result};

/// A run on this thread: activations in, commands out.
struct Run;

impl Drop for Run {
    fn drop(&mut self) {
        run::forget();
    }
}

/// Replaces each `{"$": value}` with a reference to the value's JSON in the body.
fn place(value: Json, body: &mut Vec<u8>) -> Json {
    match value {
        Json::Object(object) if object.contains_key("$") => {
            let json = object["$"].to_string();
            body.extend_from_slice(json.as_bytes());
            json!({"bytes": [body.len() - json.len(), json.len()], "encoding": "json/plain"})
        }
        Json::Object(object) => object.into_iter().map(|(name, value)| (name, place(value, body))).collect(),
        Json::Array(list) => list.into_iter().map(|value| place(value, body)).collect(),
        other => other,
    }
}

/// The reverse: each payload of JSON becomes `{"$": value}`.
fn resolve(value: Json, body: &[u8]) -> Json {
    match value {
        Json::Object(mut object) if object.contains_key("bytes") => {
            let at = |i: usize| object["bytes"][i].as_u64().unwrap() as usize;
            let bytes = &body[at(0)..at(0) + at(1)];
            if object.len() == 1 {
                return json!({"$": serde_json::from_slice::<Json>(bytes).unwrap()});
            }
            object["bytes"] = json!(bytes);
            Json::Object(object)
        }
        Json::Object(object) => object.into_iter().map(|(name, value)| (name, resolve(value, body))).collect(),
        Json::Array(list) => list.into_iter().map(|value| resolve(value, body)).collect(),
        other => other,
    }
}

impl Run {
    /// Starts a workflow, and returns its first commands.
    fn start<T: Output + 'static, F>(args: Json, main: impl FnOnce(Context, u32) -> F) -> (Run, Json)
    where
        F: Future<Output = Result<T>> + 'static,
    {
        let info = json!({"workflow_id": "w", "run_id": "r", "attempt": 1, "start_time": "2026-01-02T15:04:05Z", "memo": {"k": {"$": 1}}});
        let frame = frame(json!([{"job": "start", "args": args, "info": info, "new": [1]}]));
        let commands = activate(&frame, |ctx, args| Ok(__end(main(ctx, __take(args, 0, "n")?))));
        (Run, read(commands))
    }

    /// Gives a job, and returns the commands.
    fn job(&self, job: Json) -> Json {
        read(activate(&frame(json!([job])), |_, _| unreachable!()))
    }

    fn resolve(&self, id: u64, result: Json) -> Json {
        self.job(json!({"job": "resolve", "id": id, "result": {"$": result}}))
    }
}

fn frame(jobs: Json) -> Vec<u8> {
    let mut body = b"padding".to_vec();
    let jobs = place(jobs, &mut body);
    let head = json!({"now": "2026-01-02T15:04:05.5Z", "history": {"length": 3}, "jobs": jobs}).to_string();
    [&(head.len() as u32).to_le_bytes()[..], head.as_bytes(), &body].concat()
}

fn read(frame: Option<Vec<u8>>) -> Json {
    let Some(frame) = frame else { return json!([]) };
    let size = u32::from_le_bytes(frame[..4].try_into().unwrap()) as usize;
    let mut head: Json = serde_json::from_slice(&frame[4..4 + size]).unwrap();
    resolve(head["commands"].take(), &frame[4 + size..])
}

fn options() -> ActivityOptions {
    ActivityOptions::start_to_close(Duration::from_secs(1))
}

fn activity(id: u64, kind: &str, arg: Json) -> Json {
    json!({"command": "activity", "id": id, "type": kind, "args": [{"$": arg}], "options": {"start_to_close_timeout_ms": 1000}})
}

#[test]
fn activities_and_timers() {
    let (run, commands) = Run::start(json!([{"$": 5}]), |ctx, n| async move {
        assert_eq!(ctx.info().memo["k"].decode::<u8>().unwrap(), 1);
        assert_eq!(ctx.now(), SystemTime::UNIX_EPOCH + Duration::from_millis(1_767_366_245_500));
        assert_eq!(ctx.history().length, 3);
        let first: u32 = ctx.execute_activity("double", n, options()).await?;
        let second = ctx.execute_activity::<String>("name", first, options());
        ctx.timer(Duration::from_micros(1_500)).await?;
        Ok((first, second.await?))
    });
    assert_eq!(commands, json!([activity(1, "double", json!(5))]));
    assert_eq!(run.resolve(1, json!(10)), json!([activity(2, "name", json!(10)), {"command": "timer", "id": 3, "ms": 2}]));
    assert_eq!(run.resolve(2, json!("ten")), json!([]));
    assert_eq!(run.job(json!({"job": "resolve", "id": 3})), json!([{"command": "complete", "result": {"$": [10, "ten"]}}]));
    assert_eq!(run.resolve(7, json!(1)), json!([]));
}

#[test]
fn what_is_given_and_taken() {
    let (run, commands) = Run::start(json!([{"$": 1}]), |ctx, _| async move {
        let bytes: Bytes = ctx.execute_activity("bytes", Bytes(vec![1, 2]), options()).await?;
        assert_eq!(bytes.0, [9]);
        let nothing: Option<u8> = ctx.execute_activity("nothing", (), options()).await?;
        assert_eq!(nothing, None);
        let odd = Payload { data: vec![7], metadata: [("encoding", "x"), ("more", "so")].map(|(k, v)| (k.into(), v.into())).into() };
        let payload: Payload = ctx.execute_local_activity("many", args![1, odd], LocalActivityOptions::default()).await?;
        assert_eq!((payload.encoding(), &*payload.data), ("json/plain", &b"3"[..]));
        let wrong: Result<u8, Failure> = ctx.execute_activity("wrong", None::<u8>, options()).await;
        Ok(wrong.unwrap_err().message)
    });
    assert_eq!(commands[0]["args"], json!([{"bytes": [1, 2], "encoding": "binary/plain"}]));
    let mut body = b"....".to_vec();
    body[2] = 9;
    let head =
        json!({"now": "", "jobs": [{"job": "resolve", "id": 1, "result": {"bytes": [2, 1], "encoding": "binary/plain"}}]}).to_string();
    let raw = [&(head.len() as u32).to_le_bytes()[..], head.as_bytes(), &body].concat();
    assert_eq!(read(activate(&raw, |_, _| unreachable!()))[0].get("args"), None);
    let commands = run.job(json!({"job": "resolve", "id": 2}));
    assert_eq!(commands[0]["args"][1], json!({"bytes": [7], "encoding": "x", "metadata": {"more": "so"}}));
    assert_eq!(run.resolve(3, json!(3))[0]["args"], json!([{"bytes": [], "encoding": "binary/null"}]));
    let result = &run.resolve(4, json!("text"))[0]["result"]["$"];
    assert!(result.as_str().unwrap().starts_with("the result: invalid type"), "{result}");
}

#[test]
fn arguments_that_do_not_fit() {
    for (args, message) in [(json!([]), "argument 1 (n): it is missing"), (json!([{"$": "x"}]), "argument 1 (n): invalid type")] {
        let (_run, commands) = Run::start(args, |_, _| async { Ok(()) });
        assert_eq!(commands[0]["command"], "fail");
        assert_eq!((&commands[0]["failure"]["type"], &commands[0]["failure"]["non_retryable"]), (&json!("InvalidInput"), &json!(true)));
        assert!(commands[0]["failure"]["message"].as_str().unwrap().starts_with(message), "{commands}");
    }
}

#[test]
fn failures() {
    let told = json!({"kind": "activity", "message": "activity error", "activity_type": "charge", "retry_state": "non_retryable_failure",
        "cause": {"message": "declined", "type": "Declined", "non_retryable": true, "details": [{"$": 1}]}});
    let fail = |wrap: bool| {
        let (run, _) = Run::start(json!([{"$": 1}]), move |ctx, _| async move {
            let failure = ctx.execute_activity::<()>("charge", (), options()).await.unwrap_err();
            assert_eq!((failure.is_cancelled(), failure.is_timeout()), (false, false));
            let application = failure.application().unwrap();
            assert_eq!((&*application.error_type, application.decode_detail::<u8>(0).unwrap()), ("Declined", 1));
            let err: Error = failure.into();
            Err::<(), _>(if wrap { ApplicationError::new("Order", "no").detail(&2).benign().caused_by(err).into() } else { err })
        });
        run.job(json!({"job": "resolve", "id": 1, "failure": told.clone()}))
    };
    assert_eq!(fail(false), json!([{"command": "fail", "failure": told.clone()}]));
    let wrapped = json!({"message": "no", "type": "Order", "category": "benign", "details": [{"$": 2}], "cause": told});
    assert_eq!(fail(true), json!([{"command": "fail", "failure": wrapped}]));
    let (_run, commands) = Run::start(json!([{"$": 1}]), |_, _| async { Ok("x".parse::<u8>()?) });
    assert_eq!(commands, json!([{"command": "fail", "failure": {"message": "invalid digit found in string", "type": "ParseIntError"}}]));
}

#[test]
fn a_timer_that_is_dropped_is_cancelled() {
    let (run, _) = Run::start(json!([{"$": 1}]), |ctx, _| async move {
        let mut signal = ctx.signal::<u8>("go");
        let timer = Box::pin(ctx.timer(Duration::from_secs(9)));
        let receiving = Box::pin(signal.recv());
        let mut both = (Some(timer), receiving);
        let got = std::future::poll_fn(|cx| {
            if let Some(timer) = &mut both.0 {
                assert!(timer.as_mut().poll(cx).is_pending());
            }
            both.1.as_mut().poll(cx)
        })
        .await;
        both.0 = None;
        Ok(got)
    });
    let commands = run.job(json!({"job": "signal", "name": "go", "args": [{"$": 4}]}));
    assert_eq!(commands, json!([{"command": "cancel", "id": 1}, {"command": "complete", "result": {"$": 4}}]));
    assert_eq!(run.job(json!({"job": "resolve", "id": 1, "failure": {"kind": "canceled", "message": ""}})), json!([]));
}

#[test]
fn signals_are_kept_and_bad_ones_left_out() {
    let (run, _) = Run::start(json!([{"$": 1}]), |ctx, _| async move {
        ctx.timer(Duration::from_secs(1)).await?;
        let sum = Rc::new(Cell::new(0));
        let other = sum.clone();
        ctx.on_signal("add", move |n: u32| other.set(other.get() + n));
        let mut signal = ctx.signal::<u32>("go");
        let first = signal.recv().await;
        assert_eq!(signal.try_recv(), None);
        Ok([first, signal.recv().await, sum.get()])
    });
    for (name, value) in [("go", json!("no number")), ("go", json!(1)), ("add", json!(2))] {
        assert_eq!(run.job(json!({"job": "signal", "name": name, "args": [{"$": value}]})), json!([]));
    }
    let described = json!({"command": "describe", "signals": [{"name": "add"}, {"name": "go"}]});
    assert_eq!(run.job(json!({"job": "resolve", "id": 1})), json!([described]));
    assert_eq!(run.job(json!({"job": "signal", "name": "add", "args": [{"$": 3}]})), json!([]));
    let commands = run.job(json!({"job": "signal", "name": "go", "args": [{"$": 7}]}));
    assert_eq!(commands, json!([{"command": "complete", "result": {"$": [1, 7, 5]}}]));
}

#[test]
fn queries_updates_and_conditions() {
    let (run, commands) = Run::start(json!([{"$": 10}]), |ctx, n| async move {
        let total = Rc::new(Cell::new(n));
        let sum = total.clone();
        ctx.on_query("total", move |plus: Option<u32>| Ok(sum.get() + plus.unwrap_or(0)));
        let (sum, context) = (total.clone(), ctx.clone());
        let add = ctx.on_update("add", move |n: u32| {
            let (sum, ctx) = (sum.clone(), context.clone());
            async move {
                ctx.execute_activity::<()>("log", n, options()).await?;
                sum.set(sum.get() + n);
                Ok(sum.get())
            }
        });
        add.validator(|&n| if n == 0 { Err(ApplicationError::new("Zero", "nothing to add").into()) } else { Ok(()) });
        ctx.wait_condition(|| total.get() >= 20 && ctx.all_handlers_finished()).await?;
        Ok(total.get())
    });
    assert_eq!(commands, json!([{"command": "describe", "queries": [{"name": "total"}], "updates": [{"name": "add"}]}]));
    let query = |name: &str, args: Json| run.job(json!({"job": "query", "name": name, "args": args}));
    let answer = |result: Json| json!([{"command": "answer", "result": {"$": result}}]);
    assert_eq!(query("total", json!([])), answer(json!(10)));
    assert_eq!(query("total", json!([{"$": 5}])), answer(json!(15)));
    assert_eq!(query("total", json!([{"$": "x"}]))[0]["failure"]["type"], "InvalidInput");
    let unknown = "there is no handler of the query other; those that there are: total";
    assert_eq!(query("other", json!([])), json!([{"command": "answer", "failure": {"type": "UnknownQuery", "message": unknown}}]));
    assert_eq!(query("__stack_trace", json!([])), answer(json!("waits for a condition")));

    let validate = |name: &str, arg: Json| run.job(json!({"job": "validate", "update_id": "u", "name": name, "args": [{"$": arg}]}));
    assert_eq!(validate("add", json!(1)), json!([{"command": "answer"}]));
    assert_eq!(validate("add", json!(0)), json!([{"command": "answer", "failure": {"type": "Zero", "message": "nothing to add"}}]));
    assert_eq!(validate("add", json!("x"))[0]["failure"]["type"], "InvalidInput");
    assert_eq!(validate("sub", json!(1))[0]["failure"]["type"], "UnknownUpdate");

    let update = |id: &str, n: u32| run.job(json!({"job": "update", "update_id": id, "name": "add", "args": [{"$": n}]}));
    assert_eq!(update("u1", 4), json!([activity(1, "log", json!(4))]));
    assert_eq!(update("u2", 6), json!([activity(2, "log", json!(6))]));
    assert_eq!(query("__stack_trace", json!([])), answer(json!("waits for activity 1\nwaits for activity 2\nwaits for a condition")));
    assert_eq!(run.job(json!({"job": "resolve", "id": 2})), json!([{"command": "updated", "update_id": "u2", "result": {"$": 16}}]));
    let ended = json!([{"command": "updated", "update_id": "u1", "result": {"$": 20}}, {"command": "complete", "result": {"$": 20}}]);
    assert_eq!(run.job(json!({"job": "resolve", "id": 1})), ended);
}

#[test]
#[should_panic(expected = "a query cannot begin anything: it must not change anything")]
fn a_query_that_begins_something() {
    let (run, _) = Run::start(json!([{"$": 1}]), |ctx, _| async move {
        let context = ctx.clone();
        ctx.on_query("bad", move |()| {
            drop(context.timer(Duration::from_secs(1)));
            Ok(())
        });
        ctx.cancelled().await;
        Ok(())
    });
    run.job(json!({"job": "query", "name": "bad"}));
}

#[test]
fn cancellation() {
    let (run, _) = Run::start(json!([{"$": 1}]), |ctx, _| async move {
        let kept = ctx.detached().timer(Duration::from_secs(5));
        let outcome = ctx.execute_activity::<()>("long", (), options()).await;
        assert!(ctx.is_cancelled() && outcome.as_ref().unwrap_err().is_cancelled());
        ctx.cancelled().await;
        assert!(ctx.timer(Duration::from_secs(1)).await.unwrap_err().is_cancelled());
        assert!(ctx.wait_condition(|| false).await.unwrap_err().is_cancelled());
        kept.await?;
        Ok(outcome?)
    });
    assert_eq!(run.job(json!({"job": "cancel"})), json!([{"command": "cancel", "id": 2}]));
    let canceled = json!({"kind": "activity", "message": "", "cause": {"kind": "canceled", "message": "", "details": [{"$": "why"}]}});
    assert_eq!(run.job(json!({"job": "resolve", "id": 2, "failure": canceled})), json!([]));
    assert_eq!(run.job(json!({"job": "resolve", "id": 1})), json!([{"command": "canceled", "details": [{"$": "why"}]}]));
}

#[test]
fn children_and_others() {
    let (run, commands) = Run::start(json!([{"$": 1}]), |ctx, _| async move {
        let options = ChildWorkflowOptions::default().parent_close_policy(ParentClosePolicy::Abandon).memo("m", &1);
        let child = ctx.execute_child_workflow::<u8>("Child", (), options);
        let execution = child.started().await?;
        assert_eq!((&*execution.workflow_id, &*execution.run_id), ("r_1", "run"));
        child.signal("go", 3).await?;
        ctx.external_workflow("other", "").cancel().await?;
        child.cancel();
        Ok(child.await?)
    });
    let options = json!({"workflow_id": "r_1", "parent_close_policy": "abandon", "memo": {"m": {"$": 1}}});
    assert_eq!(commands, json!([{"command": "child", "id": 1, "type": "Child", "options": options}]));
    let signal = json!({"command": "signal_external", "id": 2, "workflow_id": "r_1", "name": "go", "args": [{"$": 3}], "child_only": true});
    assert_eq!(run.job(json!({"job": "started", "id": 1, "run_id": "run"})), json!([signal]));
    let cancel = json!({"command": "cancel_external", "id": 3, "workflow_id": "other"});
    assert_eq!(run.job(json!({"job": "resolve", "id": 2})), json!([cancel]));
    assert_eq!(run.job(json!({"job": "resolve", "id": 3})), json!([{"command": "cancel", "id": 1}]));
    assert_eq!(run.resolve(1, json!(8)), json!([{"command": "complete", "result": {"$": 8}}]));
}

#[test]
fn tasks() {
    let (run, commands) = Run::start(json!([{"$": 3}]), |ctx, n| async move {
        let handles: Vec<_> = (0..n)
            .map(|k| {
                let ctx = ctx.clone();
                ctx.clone().spawn(async move { ctx.execute_activity::<u32>("echo", k, options()).await })
            })
            .collect();
        let mut sum = 0;
        for handle in handles {
            sum += handle.await?;
        }
        Ok(sum)
    });
    assert_eq!(commands.as_array().unwrap().len(), 3);
    for id in [3, 1] {
        assert_eq!(run.resolve(id, json!(id)), json!([]));
    }
    assert_eq!(run.resolve(2, json!(2)), json!([{"command": "complete", "result": {"$": 6}}]));
}

#[test]
fn the_rest() {
    let (_run, commands) = Run::start(json!([{"$": 3}]), |ctx, n| async move {
        assert!(ctx.patched("change"));
        assert_ne!(ctx.random(), ctx.random());
        let id = ctx.uuid4();
        assert_eq!((id.len(), &id[14..15]), (36, "4"));
        ctx.set_current_details("here");
        ctx.upsert_memo("k", &n)?;
        ctx.upsert_search_attribute("Region", SearchAttributeType::Keyword, Some("eu"))?;
        ctx.upsert_search_attribute("Old", SearchAttributeType::Int, None::<&u8>)?;
        Err::<(), _>(ctx.continue_as_new(n - 1).workflow_type("Next").task_queue("q").into())
    });
    assert_eq!(
        commands,
        json!([
            {"command": "current_details", "text": "here"},
            {"command": "upsert_memo", "memo": {"k": {"$": 3}}},
            {"command": "upsert_search_attributes", "search_attributes": {"Region": {"type": "Keyword", "value": {"$": "eu"}}}},
            {"command": "upsert_search_attributes", "search_attributes": {"Old": {"type": "Int"}}},
            {"command": "continue_as_new", "type": "Next", "args": [{"$": 2}], "options": {"task_queue": "q"}},
        ])
    );
}
