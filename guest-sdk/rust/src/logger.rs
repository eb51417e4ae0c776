//! The `log` crate's records, on their way to the host.

use std::borrow::Cow;
use std::fmt::Write;

use log::kv::{Error, Key, Value, VisitSource, VisitValue};
use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::{abi, host};

struct Logger;

/// Makes the host the destination of `log`, unless the program has chosen another.
pub(crate) fn install() {
    if log::set_logger(&Logger).is_ok() {
        // The level is the host's to choose. Below debug, libraries tell more than a host takes.
        log::set_max_level(LevelFilter::Debug);
    }
}

impl Log for Logger {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let message = record.args().as_str().map_or_else(|| Cow::Owned(record.args().to_string()), Cow::Borrowed);
        // There is nobody to tell that a record could not be logged.
        let _ = host::log_write(level(record.level()), &message, attributes(record).as_bytes());
    }

    fn flush(&self) {}
}

/// The numbers of Go's slog, in whose steps of four there is one for `trace` too.
fn level(level: Level) -> i32 {
    match level {
        Level::Error => abi::LEVEL_ERROR,
        Level::Warn => abi::LEVEL_WARNING,
        Level::Info => abi::LEVEL_INFO,
        Level::Debug => abi::LEVEL_DEBUG,
        Level::Trace => 2 * abi::LEVEL_DEBUG,
    }
}

/// One JSON object, or nothing.
fn attributes(record: &Record<'_>) -> String {
    let mut attributes = Attributes(String::new());
    // A target is worth an attribute only where somebody has chosen one.
    if Some(record.target()) != record.module_path() {
        attributes.key("target");
        attributes.text(record.target());
    }
    let _ = record.key_values().visit(&mut attributes); // this visitor does not fail
    if !attributes.0.is_empty() {
        attributes.0.push('}');
    }
    attributes.0
}

struct Attributes(String);

impl Attributes {
    fn key(&mut self, key: &str) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        self.text(key);
        self.0.push(':');
    }

    fn text(&mut self, text: &str) {
        self.0.push_str(&serde_json::to_string(text).expect("text is JSON"));
    }
}

impl<'kvs> VisitSource<'kvs> for Attributes {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        self.key(key.as_str());
        value.visit(self)
    }
}

macro_rules! as_written {
    ($($name:ident($ty:ty);)*) => {
        $(fn $name(&mut self, value: $ty) -> Result<(), Error> {
            let _ = write!(self.0, "{value}"); // a String takes everything
            Ok(())
        })*
    };
}

impl<'v> VisitValue<'v> for Attributes {
    fn visit_any(&mut self, value: Value<'_>) -> Result<(), Error> {
        self.text(&value.to_string());
        Ok(())
    }

    fn visit_null(&mut self) -> Result<(), Error> {
        self.0.push_str("null");
        Ok(())
    }

    fn visit_str(&mut self, value: &str) -> Result<(), Error> {
        self.text(value);
        Ok(())
    }

    fn visit_f64(&mut self, value: f64) -> Result<(), Error> {
        if value.is_finite() {
            self.0.push_str(&serde_json::to_string(&value).expect("a finite number is JSON"));
        } else {
            self.text(&value.to_string());
        }
        Ok(())
    }

    as_written! {
        visit_u64(u64);
        visit_i64(i64);
        visit_u128(u128);
        visit_i128(i128);
        visit_bool(bool);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_json() {
        let pairs: &[(&str, Value<'_>)] = &[
            ("count", 42.into()),
            ("big", u64::MAX.into()),
            ("ratio", 0.5.into()),
            ("no number", f64::NAN.into()),
            ("yes", true.into()),
            ("text", "\"☃\n".into()),
            ("letter", 'ä'.into()),
            ("debug", Value::from_debug(&Some(1))),
        ];
        let record = |target, pairs: &&[(&str, Value<'_>)]| {
            attributes(&Record::builder().target(target).module_path(Some("acts")).key_values(pairs).build())
        };
        assert_eq!(
            record("acts", &pairs),
            r#"{"count":42,"big":18446744073709551615,"ratio":0.5,"no number":"NaN","yes":true,"text":"\"☃\n","letter":"ä","debug":"Some(1)"}"#
        );
        assert_eq!(record("acts", &&[][..]), "");
        assert_eq!(record("audit", &&[][..]), r#"{"target":"audit"}"#);
    }
}
