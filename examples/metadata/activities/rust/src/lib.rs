//! EnrichTables adds to tables what can be guessed from their names and types: which columns may hold personal data, which convention
//! the names follow, and how much is documented. SummariseTables adds that up.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, BufWriter, Write};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use wasmworker::blob::{self, PutOptions};
use wasmworker::passthrough::{self, Errno};
use wasmworker::{ApplicationError, Error, Result, activity};

/// A line of an object. What is of no interest here travels along.
#[derive(Deserialize, Serialize)]
struct Table {
    schema: String,
    table: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    comment: String,
    columns: Vec<Column>,
    #[serde(flatten)]
    rest: Map<String, Value>,
    #[serde(skip_deserializing)]
    naming: &'static str,
}

#[derive(Deserialize, Serialize)]
struct Column {
    name: String,
    r#type: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    comment: String,
    #[serde(flatten)]
    rest: Map<String, Value>,
    /// A kind of personal data, or none that is known.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    personal: Option<&'static str>,
}

/// What there is in an object, or in several.
#[derive(Default, Deserialize, Serialize)]
struct Summary {
    tables: u64,
    columns: u64,
    documented_tables: u64,
    documented_columns: u64,
    personal: BTreeMap<String, u64>, // columns by the kind of data
    naming: BTreeMap<String, u64>,   // tables by the convention
}

/// Enriches an object of the bucket raw, and writes it to the same key of the bucket catalog.
#[activity(name = "EnrichTables")]
fn enrich_tables(key: String) -> Result<Summary> {
    let lines = BufReader::with_capacity(1 << 20, blob::bucket("raw").open(&key).map_err(final_if_denied)?).lines();
    let options = PutOptions::new().content_type("application/jsonl");
    let writer = blob::bucket("catalog").create_with(&key, &options).map_err(final_if_denied)?;
    let mut out = BufWriter::with_capacity(1 << 20, writer);
    let mut summary = Summary::default();
    for (i, line) in lines.enumerate() {
        wasmworker::heartbeat(&i)?; // returns if the worker stops. The next attempt begins anew: an object is there as a whole or not at all
        let mut table: Table = serde_json::from_str(&line?)
            .map_err(|err| ApplicationError::new("NotTables", format!("line {} of {key} is not a table: {err}", i + 1)).non_retryable())?;
        table.enrich();
        summary.count(&table);
        serde_json::to_writer(&mut out, &table)?;
        out.write_all(b"\n")?;
    }
    out.into_inner().map_err(|err| err.into_error())?.commit().map_err(final_if_denied)?;
    Ok(summary)
}

/// Adds up the summaries of parts, and writes the sum to the bucket catalog, too.
#[activity(name = "SummariseTables")]
fn summarise_tables(key: String, parts: Vec<Summary>) -> Result<Summary> {
    let mut sum = Summary::default();
    for part in parts {
        sum.tables += part.tables;
        sum.columns += part.columns;
        sum.documented_tables += part.documented_tables;
        sum.documented_columns += part.documented_columns;
        for (all, some) in [(&mut sum.personal, part.personal), (&mut sum.naming, part.naming)] {
            for (what, n) in some {
                *all.entry(what).or_default() += n;
            }
        }
    }
    let options = PutOptions::new().content_type("application/json");
    blob::bucket("catalog").put_with(&key, serde_json::to_vec(&sum)?, &options).map_err(final_if_denied)?;
    Ok(sum)
}

/// What the operator does not allow now is not allowed a second later, so that there is no use in trying again.
fn final_if_denied(err: passthrough::Error) -> Error {
    match err.errno() {
        Errno::EACCES => ApplicationError::new("Denied", err.to_string()).non_retryable().into(),
        _ => err.into(),
    }
}

impl Table {
    fn enrich(&mut self) {
        for column in &mut self.columns {
            column.personal = personal(&column.name, &column.r#type);
        }
        let names = || self.columns.iter().map(|column| &*column.name).chain([&*self.table]);
        self.naming = CONVENTIONS.iter().find(|(_, follows)| names().all(follows)).map_or("mixed", |(name, _)| name);
    }
}

impl Summary {
    fn count(&mut self, table: &Table) {
        self.tables += 1;
        self.columns += table.columns.len() as u64;
        self.documented_tables += u64::from(!table.comment.is_empty());
        self.documented_columns += table.columns.iter().filter(|column| !column.comment.is_empty()).count() as u64;
        for kind in table.columns.iter().filter_map(|column| column.personal) {
            *self.personal.entry(kind.into()).or_default() += 1;
        }
        *self.naming.entry(table.naming.into()).or_default() += 1;
    }
}

type Follows = fn(&str) -> bool;

/// Conventions, of which the first one counts that all names follow: a name of one lower-case word follows two of them.
const CONVENTIONS: [(&str, Follows); 4] = [
    ("snake_case", |name| begins(name, char::is_lowercase) && !name.contains(char::is_uppercase) && identifier(name, "_")),
    ("camelCase", |name| begins(name, char::is_lowercase) && identifier(name, "")),
    ("UPPER_CASE", |name| begins(name, char::is_uppercase) && !name.contains(char::is_lowercase) && identifier(name, "_")),
    ("PascalCase", |name| begins(name, char::is_uppercase) && identifier(name, "")),
];

fn begins(name: &str, with: fn(char) -> bool) -> bool {
    name.starts_with(with)
}

fn identifier(name: &str, others: &str) -> bool {
    name.chars().all(|c| c.is_alphanumeric() || others.contains(c))
}

/// The kinds of personal data, by words that names of such columns have, and by beginnings of their types. The first one counts.
const KINDS: &[(&str, &[&str], &[&str])] = &[
    ("credential", &["password", "passwd", "secret", "token"], TEXT),
    ("email", &["email", "e mail"], TEXT),
    ("phone", &["phone", "telephone", "mobile", "fax"], TEXT),
    ("date of birth", &["birth", "birthday", "birthdate", "dob"], &["date", "timestamp", "text", "char"]),
    ("identity document", &["ssn", "social security", "passport", "tax id", "national id"], &["text", "char", "bigint", "numeric"]),
    ("payment", &["iban", "card number", "credit card", "account number"], &["text", "char", "bigint", "numeric"]),
    ("network address", &["ip", "ip address", "mac address"], &["inet", "cidr", "macaddr", "text", "char"]),
    ("position", &["latitude", "longitude"], &["double", "real", "numeric"]),
    ("address", &["street", "postcode", "postal code", "zip", "zip code"], TEXT),
    ("name", &["first name", "last name", "full name", "surname", "firstname", "lastname"], TEXT),
];

const TEXT: &[&str] = &["text", "char", "citext"];

/// Guesses which kind of personal data a column has.
fn personal(name: &str, r#type: &str) -> Option<&'static str> {
    let words = format!(" {} ", words(name).join(" "));
    let (kind, ..) = KINDS.iter().find(|(_, phrases, types)| {
        types.iter().any(|t| r#type.starts_with(t)) && phrases.iter().any(|phrase| words.contains(&format!(" {phrase} ")))
    })?;
    Some(kind)
}

/// The words of a name, in lower case: those of contactEmail, Contact-Email and contact_email are contact and email.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for c in name.chars() {
        if c.is_uppercase() && !before.is_uppercase() || !c.is_alphanumeric() {
            words.push(String::new());
        }
        if c.is_alphanumeric() {
            words.last_mut().expect("there is one").extend(c.to_lowercase());
        }
        before = c;
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses() {
        for (name, r#type, want) in [
            ("email", "text", Some("email")),
            ("customerEmail", "character varying(80)", Some("email")),
            ("e-mail", "citext", Some("email")),
            ("email", "boolean", None), // whether to send some
            ("emails_sent", "integer", None),
            ("date of birth", "date", Some("date of birth")),
            ("CARD_NUMBER", "bigint", Some("payment")),
            ("zip", "text", Some("address")),
            ("zipped", "text", None),
            ("peer_ip", "inet", Some("network address")),
            ("first_name", "text", Some("name")),
            ("first_name_day", "date", None),
            ("", "text", None),
        ] {
            assert_eq!(personal(name, r#type), want, "{name} {}", r#type);
        }
    }

    #[test]
    fn conventions() {
        for (names, want) in [
            (&["orders", "order_id"][..], "snake_case"),
            (&["orders", "orderId"], "camelCase"),
            (&["Orders", "OrderId"], "PascalCase"),
            (&["ORDERS", "ORDER_ID"], "UPPER_CASE"),
            (&["orders", "OrderId"], "mixed"),
            (&["order lines"], "mixed"),
            (&["straße", "größe_in_m"], "snake_case"),
            (&["表"], "mixed"),
        ] {
            let column = |name: &&str| Column {
                name: name.to_string(),
                r#type: String::new(),
                comment: String::new(),
                rest: Map::new(),
                personal: None,
            };
            let mut table = Table {
                schema: String::new(),
                table: names[0].into(),
                comment: String::new(),
                columns: names[1..].iter().map(column).collect(),
                rest: Map::new(),
                naming: "",
            };
            table.enrich();
            assert_eq!(table.naming, want, "{names:?}");
        }
    }
}
