//! SQL, on the connections that the operator has defined: `wasmworker:sql/v1`. What is called is the request for the grant.
//!
//! ```no_run
//! use serde::Deserialize;
//! use wasmworker::sql::{self, params};
//!
//! #[derive(Deserialize)]
//! struct Customer { id: i64, name: Option<String> }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let db = sql::connection("warehouse");
//! for row in db.query("SELECT id, name FROM customers WHERE city = $1", params!["Oslo"])? {
//!     let customer: Customer = row?.decode()?;
//! }
//!
//! let tx = db.begin()?;
//! tx.exec("UPDATE accounts SET cents = cents - $1 WHERE id = $2", params![500, 1])?; // rolled back if this returns
//! tx.exec("UPDATE accounts SET cents = cents + $1 WHERE id = $2", params![500, 2])?;
//! tx.commit()?;
//! # Ok(())
//! # }
//! ```
//!
//! Parameters are in the database's own notation: `$1` for PostgreSQL, `?` or `?1` for SQLite. One call is one statement, and returns when
//! the database has answered.
//!
//! # Errors
//!
//! Of all functions here:
//!
//! - [`Errno::EACCES`]: the policy denies it: no such connection for this module, or one that is read-only, or SQL that would end a transaction or
//!   leave the database.
//! - [`Errno::EINVAL`]: an argument or the isolation is not valid.
//! - [`Errno::EBADF`]: the transaction has ended.
//! - [`Errno::EBUSY`]: the transaction has rows open, and the database takes one statement at a time: drop them first.
//! - [`Errno::EMFILE`]: 256 queries and transactions are open.
//! - [`Errno::EMSGSIZE`]: a row, or the rows of a query, are larger than the policy allows; or the SQL and the arguments that are not bytes have more than 64 KiB.
//! - [`Errno::ETIMEDOUT`]: the statement took longer than the policy allows.
//! - [`Errno::ECANCELED`]: the activity was interrupted.
//! - [`Errno::EIO`]: the database says no: the message begins with its SQLSTATE where it has one, `23505: duplicate key …`; or it cannot be reached.
//!
//! After an error inside of a transaction PostgreSQL takes nothing but a rollback. A statement that ended with one of the last three may
//! have been carried out.

use std::fmt;
use std::iter::FusedIterator;
use std::marker::PhantomData;
use std::ops::Deref;
use std::rc::Rc;

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{self, DeserializeOwned, IntoDeserializer, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, forward_to_deserialize_any};

/// The arguments of a statement: `params![id, &name, None::<bool>]` is a `&[Value]` of what can be made a [`Value`].
pub use crate::__params as params;
use crate::abi::sql as host;
use crate::passthrough::{Errno, Error, Result, exchange, tell};

#[doc(hidden)]
#[macro_export]
macro_rules! __params {
    ($($value:expr),* $(,)?) => {
        &[$($crate::sql::Value::from($value)),*] as &[$crate::sql::Value]
    };
}

// ---------------------------------------------------------------- Values

/// An argument of a statement, or a value in a row.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// SQL's `NULL`.
    #[default]
    Null,
    /// A boolean. SQLite has none, and makes it 0 or 1.
    Bool(bool),
    /// A whole number of 64 bits.
    Integer(i64),
    /// A floating point number. As an argument it has to be finite. In a row it is also a whole number beyond 64 bits, as near as it gets;
    /// what is not finite is the text `NaN`, `Infinity` or `-Infinity`, which can be got as an `f64` all the same.
    Real(f64),
    /// Text. So is what has no variant of its own: times (RFC 3339 in a row), decimals, UUIDs, JSON, arrays.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

macro_rules! from {
    ($($variant:ident: $($type:ty)*;)*) => {
        $($(impl From<$type> for Value {
            fn from(value: $type) -> Value {
                Value::$variant(value.into())
            }
        })*)*
    };
}

from! {
    Bool: bool;
    Integer: i8 i16 i32 i64 u8 u16 u32;
    Real: f32 f64;
    Text: String &str &String;
    Bytes: Vec<u8> &[u8] crate::Bytes;
}

impl<const N: usize> From<&[u8; N]> for Value {
    fn from(bytes: &[u8; N]) -> Value {
        Value::Bytes(bytes.to_vec())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::Null, Into::into)
    }
}

/// A value as an argument in a request's head. Bytes are in the body.
#[derive(Serialize)]
#[serde(untagged)]
enum Argument<'a> {
    Null,
    Bool(bool),
    Integer(i64),
    Real(f64), // serde_json writes it with a fraction or an exponent, by which the host tells it from a whole number
    Text(&'a str),
    Bytes { bytes: [usize; 2] },
}

fn arguments(values: &[Value]) -> Result<(Vec<Argument<'_>>, Vec<u8>)> {
    let mut arguments = Vec::with_capacity(values.len());
    let mut body = Vec::new();
    for (i, value) in values.iter().enumerate() {
        arguments.push(match value {
            Value::Null => Argument::Null,
            Value::Bool(value) => Argument::Bool(*value),
            Value::Integer(value) => Argument::Integer(*value),
            Value::Real(value) if value.is_finite() => Argument::Real(*value),
            Value::Real(_) => return Err(Error::new(Errno::EINVAL, format!("argument {} is not a finite number", i + 1))),
            Value::Text(text) => Argument::Text(text),
            Value::Bytes(bytes) => {
                body.extend_from_slice(bytes);
                Argument::Bytes { bytes: [body.len() - bytes.len(), bytes.len()] }
            }
        });
    }
    Ok((arguments, body))
}

/// A value in a response's head.
enum Cell {
    Value(Value),
    Bytes(usize, usize),
}

impl Cell {
    fn value(self, body: &[u8]) -> Result<Value> {
        match self {
            Cell::Value(value) => Ok(value),
            Cell::Bytes(offset, length) => {
                let bytes = offset.checked_add(length).and_then(|end| body.get(offset..end)).ok_or_else(malformed)?;
                Ok(Value::Bytes(bytes.to_vec()))
            }
        }
    }
}

#[cold]
fn malformed() -> Error {
    Error::new(Errno::EIO, "the response is not as the contract has it")
}

impl<'de> Deserialize<'de> for Cell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Cell, D::Error> {
        struct Kinds;
        impl<'de> Visitor<'de> for Kinds {
            type Value = Cell;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value of SQL")
            }

            fn visit_unit<E: de::Error>(self) -> Result<Cell, E> {
                Ok(Cell::Value(Value::Null))
            }

            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Cell, E> {
                Ok(Cell::Value(Value::Bool(value)))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Cell, E> {
                Ok(Cell::Value(Value::Integer(value)))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Cell, E> {
                Ok(Cell::Value(i64::try_from(value).map_or(Value::Real(value as f64), Value::Integer)))
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Cell, E> {
                Ok(Cell::Value(Value::Real(value)))
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<Cell, E> {
                self.visit_string(value.to_owned())
            }

            fn visit_string<E: de::Error>(self, value: String) -> Result<Cell, E> {
                Ok(Cell::Value(Value::Text(value)))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Cell, A::Error> {
                let mut bytes = None;
                while let Some(name) = object.next_key::<String>()? {
                    if name == "bytes" {
                        bytes = Some(object.next_value()?);
                    } else {
                        object.next_value::<de::IgnoredAny>()?;
                    }
                }
                let (offset, length) = bytes.ok_or_else(|| de::Error::missing_field("bytes"))?;
                Ok(Cell::Bytes(offset, length))
            }
        }
        deserializer.deserialize_any(Kinds)
    }
}

// ---------------------------------------------------------------- Statements

/// A connection by the operator's name for it. Nothing is sent yet.
pub fn connection(name: impl Into<String>) -> Connection {
    Connection(Session { target: Target::Connection(name.into()), batch_rows: None })
}

/// A connection. It runs statements as a [`Session`], each of which is a transaction of its own.
#[derive(Clone, Debug)]
pub struct Connection(Session);

/// What [`Connection`] and [`Transaction`] have in common. A function that takes a `&Session` works in and outside of a transaction.
#[derive(Clone, Debug)]
pub struct Session {
    target: Target,
    batch_rows: Option<u32>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Target {
    Connection(String),
    Transaction(u64),
}

#[derive(Serialize)]
struct Statement<'a> {
    #[serde(flatten)]
    target: &'a Target,
    sql: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    args: Vec<Argument<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_rows: Option<u32>,
}

impl Session {
    /// Runs a statement that returns rows. They are fetched while they are iterated over.
    ///
    /// The first row alone: `db.query(…)?.next().transpose()?`, an `Option<Row>`. All of them: `db.query(…)?.collect::<Result<Vec<_>,
    /// _>>()?`.
    ///
    /// # Errors
    ///
    /// See the [module](self).
    pub fn query(&self, sql: &str, args: &[Value]) -> Result<Rows<'_>> {
        let (args, body) = arguments(args)?;
        let statement = Statement { target: &self.target, sql, args, max_rows: self.batch_rows };
        let (batch, body): (Batch, _) = exchange(host::query, &statement, &body)?;
        let columns = batch.columns.unwrap_or_default().into();
        let rows = batch.rows.unwrap_or_default().into_iter();
        Ok(Rows { columns, rows, body, cursor: batch.cursor, max_rows: self.batch_rows, session: PhantomData })
    }

    /// Runs a statement that returns none, and returns how many rows it affected.
    ///
    /// # Errors
    ///
    /// See the [module](self).
    pub fn exec(&self, sql: &str, args: &[Value]) -> Result<u64> {
        #[derive(Deserialize)]
        #[serde(default)]
        #[derive(Default)]
        struct Done {
            rows_affected: u64,
        }
        let (args, body) = arguments(args)?;
        let (done, _): (Done, _) = exchange(host::exec, &Statement { target: &self.target, sql, args, max_rows: None }, &body)?;
        Ok(done.rows_affected)
    }
}

impl Deref for Connection {
    type Target = Session;
    fn deref(&self) -> &Session {
        &self.0
    }
}

impl Connection {
    /// Sets how many rows the host hands over at a time, at least 1, here and in transactions that are begun afterwards: more take more
    /// memory, fewer more calls. 1000 without it. A batch ends as well once it has 1 MiB.
    pub fn batch_rows(mut self, rows: u32) -> Connection {
        self.0.batch_rows = Some(rows.max(1));
        self
    }

    /// Begins a transaction, with the database's own isolation.
    ///
    /// # Errors
    ///
    /// See the [module](self).
    pub fn begin(&self) -> Result<Transaction> {
        self.begin_with(&TransactionOptions::new())
    }

    /// Begins a transaction.
    ///
    /// # Errors
    ///
    /// See the [module](self).
    pub fn begin_with(&self, options: &TransactionOptions) -> Result<Transaction> {
        #[derive(Serialize)]
        struct Begin<'a> {
            #[serde(flatten)]
            target: &'a Target,
            #[serde(flatten)]
            options: &'a TransactionOptions,
        }
        #[derive(Deserialize)]
        struct Begun {
            transaction: u64,
        }
        let (begun, _): (Begun, _) = exchange(host::begin, &Begin { target: &self.target, options }, &[])?;
        Ok(Transaction { session: Session { target: Target::Transaction(begun.transaction), batch_rows: self.batch_rows }, ended: false })
    }
}

/// How a transaction runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TransactionOptions {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    read_only: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    isolation: Option<Isolation>,
}

/// How far a transaction is kept apart from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub enum Isolation {
    /// `READ COMMITTED`
    #[serde(rename = "read committed")]
    ReadCommitted,
    /// `REPEATABLE READ`
    #[serde(rename = "repeatable read")]
    RepeatableRead,
    /// `SERIALIZABLE`
    #[serde(rename = "serializable")]
    Serializable,
}

impl TransactionOptions {
    /// May write, with the database's own isolation.
    pub fn new() -> TransactionOptions {
        TransactionOptions::default()
    }

    /// Lets the database refuse writes.
    pub fn read_only(mut self) -> TransactionOptions {
        self.read_only = true;
        self
    }

    /// Sets the isolation.
    pub fn isolation(mut self, isolation: Isolation) -> TransactionOptions {
        self.isolation = Some(isolation);
        self
    }
}

/// A transaction. It is rolled back when it is dropped without a commit, and by the host when the activity ends. It runs statements as a
/// [`Session`].
#[derive(Debug)]
#[must_use = "a transaction that is dropped is rolled back"]
pub struct Transaction {
    session: Session,
    ended: bool,
}

impl Deref for Transaction {
    type Target = Session;
    fn deref(&self) -> &Session {
        &self.session
    }
}

impl Transaction {
    /// Makes what was done lasting.
    ///
    /// # Errors
    ///
    /// See the [module](self). What was done is rolled back then, unless the error is one with which it may have been carried out.
    pub fn commit(mut self) -> Result<()> {
        self.end(host::commit)
    }

    /// Undoes what was done. Dropping does the same, and tells no errors.
    ///
    /// # Errors
    ///
    /// See the [module](self).
    pub fn rollback(mut self) -> Result<()> {
        self.end(host::rollback)
    }

    fn end(&mut self, how: fn(&[u8]) -> Result<Vec<u8>>) -> Result<()> {
        tell(how, &self.session.target, &[])?;
        self.ended = true;
        Ok(())
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if !self.ended {
            let _ = self.end(host::rollback); // the host does it in any case, when the activity ends
        }
    }
}

// ---------------------------------------------------------------- Rows

/// A column of a query.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Column {
    /// Its name. Several columns may have the same.
    pub name: String,
    /// The database's name for its type, such as `INT8`; may be empty.
    #[serde(rename = "type")]
    pub type_name: String,
}

#[derive(Deserialize)]
struct Batch {
    columns: Option<Vec<Column>>,
    rows: Option<Vec<Vec<Cell>>>,
    #[serde(default)]
    cursor: u64,
}

/// The rows of a query, fetched batch by batch. When they are dropped before their end, the host closes the query.
///
/// After an error there are no more rows.
#[must_use = "rows are fetched while they are iterated over"]
pub struct Rows<'s> {
    columns: Rc<[Column]>,
    rows: std::vec::IntoIter<Vec<Cell>>,
    body: Vec<u8>,
    cursor: u64,
    max_rows: Option<u32>,
    session: PhantomData<&'s Session>, // no transaction ends while it has rows
}

impl fmt::Debug for Rows<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows").field("columns", &self.columns).finish_non_exhaustive()
    }
}

impl Rows<'_> {
    /// The columns, in their order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn fetch(&mut self) -> Result<()> {
        #[derive(Serialize)]
        struct Fetch {
            cursor: u64,
            #[serde(skip_serializing_if = "Option::is_none")]
            max_rows: Option<u32>,
        }
        let (batch, body): (Batch, _) = exchange(host::fetch, &Fetch { cursor: self.cursor, max_rows: self.max_rows }, &[])?;
        self.rows = batch.rows.unwrap_or_default().into_iter();
        self.body = body;
        self.cursor = batch.cursor;
        Ok(())
    }

    fn row(&self, cells: Vec<Cell>) -> Result<Row> {
        if cells.len() != self.columns.len() {
            return Err(malformed());
        }
        let values = cells.into_iter().map(|cell| cell.value(&self.body)).collect::<Result<_>>()?;
        Ok(Row { columns: Rc::clone(&self.columns), values })
    }

    fn close(&mut self) {
        #[derive(Serialize)]
        struct Close {
            cursor: u64,
        }
        self.rows = Vec::new().into_iter();
        if self.cursor != 0 {
            // If the host does not close it now, it does when the activity ends.
            let _ = tell(host::close, &Close { cursor: std::mem::take(&mut self.cursor) }, &[]);
        }
    }
}

impl Iterator for Rows<'_> {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Result<Row>> {
        loop {
            let row = match self.rows.next() {
                Some(cells) => self.row(cells),
                None if self.cursor == 0 => return None,
                None => match self.fetch() {
                    Ok(()) => continue,
                    Err(err) => Err(err),
                },
            };
            if row.is_err() {
                self.close();
            }
            return Some(row);
        }
    }
}

impl FusedIterator for Rows<'_> {}

impl Drop for Rows<'_> {
    fn drop(&mut self) {
        self.close();
    }
}

/// A row.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    columns: Rc<[Column]>,
    values: Vec<Value>,
}

/// How a column is named: by its name, or by its number, counted from 0. It is not for others to implement.
pub trait ColumnIndex: fmt::Display + Copy {
    #[doc(hidden)]
    fn find(self, columns: &[Column]) -> Option<usize>;
}

impl ColumnIndex for usize {
    fn find(self, columns: &[Column]) -> Option<usize> {
        (self < columns.len()).then_some(self)
    }
}

impl ColumnIndex for &str {
    fn find(self, columns: &[Column]) -> Option<usize> {
        columns.iter().position(|column| column.name == self)
    }
}

impl Row {
    /// A value, by the name of its column (the first one of that name) or by its number: `row.get::<i64>("id")?`,
    /// `row.get::<Option<String>>(1)?`.
    ///
    /// The type is one that [`serde`] deserializes from a number, text, a boolean or null; bytes are a `Vec<u8>`. A 0 or 1 may be a `bool`.
    ///
    /// # Errors
    ///
    /// [`Errno::EINVAL`]: there is no such column, or its value is of another type. The message has nothing of the value.
    pub fn get<T: DeserializeOwned>(&self, column: impl ColumnIndex) -> Result<T> {
        let Some(index) = column.find(&self.columns) else {
            return Err(Error::new(Errno::EINVAL, format!("the query has no column {column}")));
        };
        T::deserialize(Scalar(&self.values[index])).map_err(|Mismatch(what)| Error::new(Errno::EINVAL, format!("column {column}: {what}")))
    }

    /// The row as a struct whose fields are called as the columns, or as a map or a tuple.
    ///
    /// # Errors
    ///
    /// [`Errno::EINVAL`]: it is not one of this type. The message has nothing of the values.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T> {
        T::deserialize(Fields(self)).map_err(|Mismatch(what)| Error::new(Errno::EINVAL, format!("a row cannot be decoded: {what}")))
    }

    /// The values, in the order of the columns.
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// The values, in the order of the columns, without a copy.
    pub fn into_values(self) -> Vec<Value> {
        self.values
    }
}

// ---------------------------------------------------------------- Decoding rows

/// Why a value is not of a type. What serde would say holds the value; this does not.
#[derive(Debug)]
struct Mismatch(String);

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Mismatch {}

impl de::Error for Mismatch {
    fn custom<T: fmt::Display>(_: T) -> Mismatch {
        // What types say of their own accord may have parts of the value.
        Mismatch("it is not valid for the type that was asked for".to_owned())
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn de::Expected) -> Mismatch {
        Mismatch(format!("it is {}, and not {expected}", kind_of(unexpected)))
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn de::Expected) -> Mismatch {
        Mismatch(format!("it is {} which is not {expected}", kind_of(unexpected)))
    }

    fn invalid_length(_: usize, expected: &dyn de::Expected) -> Mismatch {
        Mismatch(format!("it is not {expected}"))
    }

    fn unknown_variant(_: &str, _: &'static [&'static str]) -> Mismatch {
        Mismatch("it is none of the variants".to_owned())
    }

    fn unknown_field(_: &str, _: &'static [&'static str]) -> Mismatch {
        Mismatch("a column has no field".to_owned())
    }

    fn missing_field(field: &'static str) -> Mismatch {
        Mismatch(format!("there is no column {field}"))
    }

    fn duplicate_field(field: &'static str) -> Mismatch {
        Mismatch(format!("there are several columns {field}"))
    }
}

fn kind_of(unexpected: Unexpected<'_>) -> &'static str {
    match unexpected {
        Unexpected::Bool(_) => "a boolean",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "a whole number",
        Unexpected::Float(_) => "a floating point number",
        Unexpected::Str(_) | Unexpected::Char(_) => "text",
        Unexpected::Bytes(_) | Unexpected::Seq => "bytes",
        Unexpected::Unit | Unexpected::Option => "null",
        _ => "a value",
    }
}

/// A value, to serde. What an implementation for the value itself would be, without one in the public surface.
#[derive(Clone, Copy)]
struct Scalar<'de>(&'de Value);

impl<'de> Deserializer<'de> for Scalar<'de> {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Integer(value) => visitor.visit_i64(*value),
            Value::Real(value) => visitor.visit_f64(*value),
            Value::Text(value) => visitor.visit_borrowed_str(value),
            Value::Bytes(value) => visitor.visit_borrowed_bytes(value),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        if *self.0 == Value::Null { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.0 {
            Value::Integer(value @ 0..=1) => visitor.visit_bool(*value == 1),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.0 {
            Value::Text(text) if text == "NaN" => visitor.visit_f64(f64::NAN),
            Value::Text(text) if text == "Infinity" => visitor.visit_f64(f64::INFINITY),
            Value::Text(text) if text == "-Infinity" => visitor.visit_f64(f64::NEG_INFINITY),
            _ => self.deserialize_any(visitor),
        }
    }

    /// A `Vec<u8>` asks for this.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.0 {
            Value::Bytes(bytes) => visitor.visit_seq(SeqDeserializer::new(bytes.iter().copied())),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Mismatch> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(self, _: &'static str, _: &'static [&'static str], visitor: V) -> Result<V::Value, Mismatch> {
        match self.0 {
            Value::Text(text) => visitor.visit_enum(text.as_str().into_deserializer()),
            _ => Err(Mismatch("it is not text, as the name of a variant is".to_owned())),
        }
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 char str string bytes byte_buf unit unit_struct tuple_struct map struct identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, Mismatch> for Scalar<'de> {
    type Deserializer = Scalar<'de>;
    fn into_deserializer(self) -> Scalar<'de> {
        self
    }
}

/// A row, to serde.
struct Fields<'de>(&'de Row);

impl<'de> Deserializer<'de> for Fields<'de> {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        let names = self.0.columns.iter().map(|column| column.name.as_str());
        visitor.visit_map(MapDeserializer::new(names.zip(self.0.values.iter().map(Scalar))))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Mismatch> {
        if length != self.0.values.len() {
            return Err(Mismatch(format!("it has {} columns, and not {length}", self.0.values.len())));
        }
        visitor.visit_seq(SeqDeserializer::new(self.0.values.iter().map(Scalar)))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct seq tuple_struct map struct enum identifier
        ignored_any
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use serde_json::{Value as Json, json};

    use super::*;
    use crate::passthrough::{decode_frame, encode_frame};
    use crate::testing::Env;

    /// What a host is asked: the function, the head, the body.
    type Calls = Rc<RefCell<Vec<(&'static str, Json, Vec<u8>)>>>;

    /// A host that remembers what it is asked, and answers as the function says.
    fn host(answer: impl Fn(&str, &Json) -> Result<Vec<u8>> + 'static) -> (Env, Calls) {
        let (calls, answer) = (Calls::default(), Rc::new(answer));
        let functions = ["query", "fetch", "exec", "begin", "commit", "rollback", "close"];
        let env = functions.into_iter().fold(Env::new(), |env, function| {
            let (calls, answer) = (Rc::clone(&calls), Rc::clone(&answer));
            env.passthrough("wasmworker:sql/v1", function, move |request| {
                let (head, body): (Json, _) = decode_frame(request)?;
                let response = answer(function, &head);
                calls.borrow_mut().push((function, head, body.to_vec()));
                response
            })
        });
        (env, calls)
    }

    fn names(calls: &Calls) -> Vec<&'static str> {
        calls.borrow().iter().map(|(function, ..)| *function).collect()
    }

    /// Seven rows, a number and its bytes, three at a time.
    fn seven(function: &str, _: &Json) -> Result<Vec<u8>> {
        let columns = json!([{"name": "n", "type": "INTEGER"}, {"name": "b", "type": "BLOB"}]);
        let (first, cursor) = match function {
            "query" => (1, 5),
            "fetch" => (4, 6),
            "begin" => return encode_frame(&json!({"transaction": 9}), &[]),
            "exec" => return encode_frame(&json!({"rows_affected": 2}), &[]),
            _ => return Ok(Vec::new()),
        };
        let row = |n: u8| json!([n, {"bytes": [n - first, 1]}]);
        encode_frame(
            &json!({"columns": columns, "rows": [row(first), row(first + 1), row(first + 2)], "cursor": cursor}),
            &[first, first + 1, first + 2],
        )
    }

    #[test]
    fn arguments_of_all_kinds() {
        let (env, calls) = host(seven);
        let args = params![
            Value::Null,
            true,
            42,
            1.5f32,
            2.0,
            "größe",
            &String::from("s"),
            vec![1u8],
            b"\x00\xff",
            None::<&str>,
            Some(7u32),
            i64::MIN
        ];
        env.run(|| assert_eq!(connection("db").exec("INSERT …", args).unwrap(), 2));
        let (function, head, body) = calls.borrow()[0].clone();
        let want = r#"[null,true,42,1.5,2.0,"größe","s",{"bytes":[0,1]},{"bytes":[1,2]},null,7,-9223372036854775808]"#;
        assert_eq!((function, head["connection"].as_str(), head["args"].to_string().as_str()), ("exec", Some("db"), want));
        assert_eq!(body, [1, 0, 255]);
        let err = env.run(|| connection("db").exec("INSERT …", params![1, f64::NAN])).unwrap_err();
        assert_eq!(err.to_string(), "EINVAL: argument 2 is not a finite number");
        assert_eq!(calls.borrow().len(), 1);
    }

    #[test]
    fn values_of_all_kinds() {
        let values = json!([null, true, -9007199254740993i64, 1.5, "NaN", {"bytes": [1, 2]}, 18446744073709551615u64, 2]);
        let columns: Vec<_> = "abcdefgh".chars().map(|name| json!({"name": name, "type": ""})).collect();
        let answer = encode_frame(&json!({"columns": columns, "rows": [values]}), &[0, 1, 2]).unwrap();
        let (env, calls) = host(move |_, _| Ok(answer.clone()));
        let row = env.run(|| connection("db").query("SELECT", &[]).unwrap().next().unwrap().unwrap());
        assert_eq!(names(&calls), ["query"]);
        assert_eq!((row.get::<Option<u8>>("a").unwrap(), row.get::<()>(0).unwrap(), row.get::<bool>("b").unwrap()), (None, (), true));
        assert_eq!((row.get::<i64>("c").unwrap(), row.get::<Option<f64>>("d").unwrap()), (-9007199254740993, Some(1.5)));
        assert!(row.get::<f64>("e").unwrap().is_nan());
        assert_eq!((row.get::<String>("e").unwrap(), row.get::<Vec<u8>>("f").unwrap()), ("NaN".to_owned(), vec![1, 2]));
        assert_eq!((row.get::<f64>("g").unwrap(), row.get::<f64>("h").unwrap()), (18446744073709551615.0, 2.0));
        assert_eq!(row.values()[5], Value::Bytes(vec![1, 2]));

        let message = |err: Error| err.to_string();
        assert_eq!(row.get::<u8>("c").map_err(message).unwrap_err(), "EINVAL: column c: it is a whole number which is not u8");
        assert_eq!(row.get::<String>(7).map_err(message).unwrap_err(), "EINVAL: column 7: it is a whole number, and not a string");
        assert_eq!(row.get::<bool>("h").map_err(message).unwrap_err(), "EINVAL: column h: it is a whole number, and not a boolean");
        assert_eq!(row.get::<u8>("x").map_err(message).unwrap_err(), "EINVAL: the query has no column x");
        assert_eq!(row.get::<u8>(8).map_err(message).unwrap_err(), "EINVAL: the query has no column 8");
    }

    #[test]
    fn rows_as_types() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct Pair {
            n: u8,
            #[serde(default)]
            other: Option<String>,
            b: Vec<u8>,
        }
        #[derive(Debug, Deserialize)]
        #[allow(dead_code, reason = "it is not decoded")]
        struct Wrong {
            missing: u8,
        }
        let (env, _) = host(seven);
        let row = env.run(|| connection("db").query("SELECT", &[]).unwrap().next().unwrap().unwrap());
        assert_eq!(row.decode::<Pair>().unwrap(), Pair { n: 1, other: None, b: vec![1] });
        assert_eq!(row.decode::<(i64, Vec<u8>)>().unwrap(), (1, vec![1]));
        assert_eq!(row.decode::<Wrong>().unwrap_err().message(), "a row cannot be decoded: there is no column missing");
        assert_eq!(row.decode::<(u8,)>().unwrap_err().message(), "a row cannot be decoded: it has 2 columns, and not 1");
        assert_eq!(row.decode::<std::collections::HashMap<String, u8>>().unwrap_err().errno(), Errno::EINVAL);
    }

    #[test]
    fn batches() {
        let (env, calls) = host(|function, head| {
            if head["cursor"] == 6 {
                return encode_frame(&json!({"rows": [[7, {"bytes": [0, 0]}]], "cursor": 0}), &[]);
            }
            seven(function, head)
        });
        env.run(|| {
            let db = connection("db").batch_rows(3);
            let rows = db.query("SELECT n, b", params!["x"]).unwrap();
            assert_eq!((rows.columns()[1].name.as_str(), rows.columns()[1].type_name.as_str()), ("b", "BLOB"));
            let rows = rows.map(|row| row?.decode()).collect::<Result<Vec<(u8, Vec<u8>)>>>().unwrap();
            assert_eq!(rows, (1..8).map(|n| (n, if n < 7 { vec![n] } else { vec![] })).collect::<Vec<_>>());
        });
        assert_eq!(names(&calls), ["query", "fetch", "fetch"]);
        assert_eq!(calls.borrow()[0].1, json!({"connection": "db", "sql": "SELECT n, b", "args": ["x"], "max_rows": 3}));
        assert_eq!(calls.borrow()[2].1, json!({"cursor": 6, "max_rows": 3}));
    }

    #[test]
    fn a_loop_that_ends_early_closes() {
        let (env, calls) = host(seven);
        env.run(|| {
            for row in connection("db").query("SELECT", &[]).unwrap() {
                if row.unwrap().get::<u8>("n").unwrap() == 4 {
                    break;
                }
            }
        });
        assert_eq!(names(&calls), ["query", "fetch", "close"]);
        assert_eq!(calls.borrow()[2].1, json!({"cursor": 6}));
    }

    #[test]
    fn an_error_ends_the_rows() {
        let (env, calls) = host(|function, head| match function {
            "fetch" => Err(Error::new(Errno::EIO, "22003: overflow")),
            _ => seven(function, head),
        });
        env.run(|| {
            let db = connection("db");
            let mut rows = db.query("SELECT", &[]).unwrap();
            assert_eq!(rows.by_ref().take(3).filter(Result::is_ok).count(), 3);
            assert_eq!(rows.next().unwrap().unwrap_err().message(), "22003: overflow");
            assert!(rows.next().is_none());
        });
        assert_eq!(names(&calls), ["query", "fetch", "close"]);
        for bad in
            [json!([[1]]), json!([[1, {"bytes": [3, 1]}]]), json!([[1, {"bytes": [u64::MAX, 1]}]]), json!([[1, {}]]), json!([[1, []]])]
        {
            let (env, _) = host(move |_, _| encode_frame(&json!({"columns": [{"name": "a"}, {"name": "b"}], "rows": bad}), b"abc"));
            let result = env.run(|| connection("db").query("SELECT", &[]).and_then(|mut rows| rows.next().unwrap()));
            assert_eq!(result.unwrap_err().errno(), Errno::EIO);
        }
    }

    #[test]
    fn transactions() {
        let (env, calls) = host(seven);
        env.run(|| {
            let db = connection("db").batch_rows(2);
            let options = TransactionOptions::new().read_only().isolation(Isolation::RepeatableRead);
            let tx = db.begin_with(&options).unwrap();
            assert_eq!(tx.query("SELECT", &[]).unwrap().take(1).count(), 1);
            tx.commit().unwrap();
            db.begin().unwrap().rollback().unwrap();
            let fails = |db: &Connection| -> Result<()> {
                let tx = db.begin()?;
                tx.exec("UPDATE", params![f64::INFINITY])?;
                tx.commit()
            };
            assert!(fails(&db).is_err());
        });
        assert_eq!(names(&calls), ["begin", "query", "close", "commit", "begin", "rollback", "begin", "rollback"]);
        let calls = calls.borrow();
        assert_eq!(calls[0].1, json!({"connection": "db", "read_only": true, "isolation": "repeatable read"}));
        assert_eq!(calls[1].1, json!({"transaction": 9, "sql": "SELECT", "max_rows": 2}));
        assert_eq!((&calls[3].1, &calls[4].1), (&json!({"transaction": 9}), &json!({"connection": "db"})));
    }

    #[test]
    fn a_commit_that_fails_is_rolled_back() {
        let (env, calls) = host(|function, head| match function {
            "commit" => Err(Error::new(Errno::EIO, "40001: serialization failure")),
            _ => seven(function, head),
        });
        assert_eq!(env.run(|| connection("db").begin().unwrap().commit()).unwrap_err().message(), "40001: serialization failure");
        assert_eq!(names(&calls), ["begin", "commit", "rollback"]);
    }
}
