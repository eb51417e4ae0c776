use serde::{Deserialize, Serialize};
use wasmworker::{ApplicationError, Result, activity};

#[derive(Deserialize)]
struct Input {
    name: String,
}

#[derive(Serialize, Debug, PartialEq)]
struct Output {
    greeting: String,
    attempt: u32,
}

/// Greets somebody by name.
#[activity]
fn greet(input: Input) -> Result<Output> {
    if input.name.is_empty() {
        return Err(ApplicationError::new("EmptyName", "the name is empty").non_retryable().into());
    }
    log::info!(name = input.name; "greeting");
    Ok(Output { greeting: format!("Hello, {}!", input.name), attempt: wasmworker::info().attempt })
}

#[cfg(test)]
mod tests {
    use wasmworker::testing::Env;

    use super::*;

    #[test]
    fn greets() {
        let env = Env::new().info(|info| info.attempt = 2);
        let output = env.run(|| greet(Input { name: "Ada".into() })).unwrap();
        assert_eq!(output, Output { greeting: "Hello, Ada!".into(), attempt: 2 });
        assert_eq!(env.logs()[0].attributes["name"], "Ada");
    }

    #[test]
    fn refuses_an_empty_name() {
        let err = Env::new().run(|| greet(Input { name: String::new() })).unwrap_err();
        assert_eq!((err.kind(), err.is_retryable()), ("EmptyName", false));
    }

    /// The module, as it was built last, does what greet.test.yaml says.
    #[test]
    fn cases() {
        let status = std::process::Command::new("wasmworker").arg("test").status();
        assert!(status.expect("wasmworker on the PATH").success());
    }
}
