use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Deref, DerefMut};

use serde::de::{self, DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::host;

pub(crate) use crate::abi::{ENCODING_BINARY as BINARY, ENCODING_JSON as JSON, ENCODING_NULL as NULL};
use crate::abi::{ENCODING_PROTO_JSON as JSON_PROTOBUF, METADATA_ENCODING as ENCODING};

/// Bytes that travel as they are (`binary/plain`), and not as the JSON array that a `Vec<u8>` would be.
///
/// ```
/// use wasmworker::{Bytes, activity};
///
/// #[activity]
/// fn reverse(mut data: Bytes) -> Bytes {
///     data.reverse();
///     data
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Bytes(pub Vec<u8>);

impl Deref for Bytes {
    type Target = Vec<u8>;
    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Bytes {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Bytes {
        Bytes(bytes)
    }
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Bytes {
        Bytes(bytes.to_vec())
    }
}

impl From<Bytes> for Vec<u8> {
    fn from(bytes: Bytes) -> Vec<u8> {
        bytes.0
    }
}

impl FromIterator<u8> for Bytes {
    fn from_iter<I: IntoIterator<Item = u8>>(bytes: I) -> Bytes {
        Bytes(bytes.into_iter().collect())
    }
}

/// A value as Temporal carries it: bytes, and metadata that tell their encoding.
///
/// As an argument it takes any payload as it came; as a result it goes out as it is.
///
/// ```
/// use wasmworker::{Payload, activity};
///
/// #[activity]
/// fn echo(payload: Payload) -> Payload {
///     payload
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payload {
    /// The bytes. What they mean depends on the encoding.
    pub data: Vec<u8>,
    /// Temporal's metadata, of which `encoding` is one.
    pub metadata: BTreeMap<String, Vec<u8>>,
}

impl Payload {
    /// A payload of any encoding.
    pub fn new(encoding: impl Into<Vec<u8>>, data: impl Into<Vec<u8>>) -> Payload {
        Payload { data: data.into(), metadata: BTreeMap::from([(ENCODING.to_owned(), encoding.into())]) }
    }

    /// The JSON of a value (`json/plain`).
    ///
    /// # Errors
    ///
    /// What cannot be JSON, such as a map whose keys are not text.
    pub fn json(value: &(impl Serialize + ?Sized)) -> Result<Payload, serde_json::Error> {
        Ok(Payload::new(JSON, serde_json::to_vec(value)?))
    }

    /// Bytes (`binary/plain`).
    pub fn binary(data: impl Into<Vec<u8>>) -> Payload {
        Payload::new(BINARY, data)
    }

    /// No value (`binary/null`).
    pub fn null() -> Payload {
        Payload::new(NULL, [])
    }

    /// The encoding, such as `json/plain`; empty if there is none.
    pub fn encoding(&self) -> &str {
        self.metadata.get(ENCODING).and_then(|encoding| std::str::from_utf8(encoding).ok()).unwrap_or_default()
    }

    /// Decodes a value of JSON (`json/plain`, `json/protobuf`, no encoding), or one that may be null from `binary/null`.
    ///
    /// # Errors
    ///
    /// Another encoding, and JSON that is not of this type.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        decode(self.encoding(), &self.data)
    }
}

/// All arguments that are left, for an activity that takes any number of them.
///
/// ```
/// use wasmworker::{Payloads, activity};
///
/// #[activity]
/// fn count(first: String, others: Payloads) -> usize {
///     others.len()
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payloads(pub Vec<Payload>);

impl Deref for Payloads {
    type Target = Vec<Payload>;
    fn deref(&self) -> &Vec<Payload> {
        &self.0
    }
}

impl IntoIterator for Payloads {
    type Item = Payload;
    type IntoIter = std::vec::IntoIter<Payload>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Payloads {
    type Item = &'a Payload;
    type IntoIter = std::slice::Iter<'a, Payload>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// Why a payload could not be decoded.
#[derive(Debug)]
pub struct DecodeError(pub(crate) String);

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for DecodeError {}

impl DecodeError {
    pub(crate) fn of(self, what: &str) -> DecodeError {
        DecodeError(format!("{what}: {}", self.0))
    }
}

impl From<crate::passthrough::Error> for DecodeError {
    fn from(err: crate::passthrough::Error) -> DecodeError {
        DecodeError(err.to_string())
    }
}

pub(crate) fn decode<T: DeserializeOwned>(encoding: &str, data: &[u8]) -> Result<T, DecodeError> {
    let json = match encoding {
        // A payload that does not say what it is has to be JSON.
        JSON | JSON_PROTOBUF | "" => data,
        NULL => b"null",
        BINARY => return Err(DecodeError("it is binary/plain, not JSON (take a wasmworker::Bytes for it)".to_owned())),
        other => return Err(DecodeError(format!("its encoding is {other}, not json/plain (take a wasmworker::Payload for it)"))),
    };
    serde_json::from_slice(json).map_err(|err| DecodeError(err.to_string()))
}

/// What an activity can take as an argument: everything that [`serde`] can deserialize and that borrows nothing,
/// [`Bytes`], [`Payload`] and [`Payloads`]. It is not for others to implement.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of an activity",
    note = "an argument is a type that implements serde::Deserialize, a wasmworker::Bytes, Payload or Payloads"
)]
pub trait Argument: Sized {
    #[doc(hidden)]
    fn take(arguments: &mut Arguments) -> Result<Self, DecodeError>;
}

/// The arguments of the activity that runs, taken from first to last.
#[doc(hidden)]
#[derive(Debug)]
pub struct Arguments {
    pub(crate) next: u32,
    pub(crate) count: u32,
}

/// Why an argument could not be taken.
#[doc(hidden)]
#[derive(Debug)]
pub struct InvalidInput(pub(crate) String);

impl Arguments {
    pub(crate) fn new() -> Arguments {
        Arguments { next: 0, count: host::arg_count() }
    }

    /// Takes the next argument, which is called `label` in the program.
    #[doc(hidden)]
    pub fn take<T: Argument>(&mut self, label: &str) -> Result<T, InvalidInput> {
        let index = self.next;
        T::take(self).map_err(|err| self.invalid(index, label, &err))
    }

    #[cold]
    fn invalid(&self, index: u32, label: &str, err: &DecodeError) -> InvalidInput {
        let number = index + 1;
        let name = if label.is_empty() { String::new() } else { format!(" ({label})") };
        if index < self.count {
            return InvalidInput(format!("argument {number}{name}: {err}"));
        }
        let given = match self.count {
            0 => "no arguments were".to_owned(),
            1 => "one argument was".to_owned(),
            count => format!("{count} arguments were"),
        };
        InvalidInput(format!("argument {number}{name} is missing: {given} given"))
    }

    /// Moves on. `None`: there was no further argument.
    fn advance(&mut self) -> Option<u32> {
        let index = self.next;
        self.next += 1;
        (index < self.count).then_some(index)
    }
}

fn missing() -> DecodeError {
    DecodeError(String::new()) // `invalid` says it better
}

fn read_payload(index: u32) -> Result<Payload, DecodeError> {
    let metadata = host::read(64, |dst| host::arg_metadata(index, dst))?;
    Ok(Payload {
        data: host::read(1024, |dst| host::arg_read(index, dst))?,
        metadata: metadata_from_json(&metadata).map_err(|err| DecodeError(format!("its metadata cannot be read: {err}")))?,
    })
}

impl<T: DeserializeOwned> Argument for T {
    fn take(arguments: &mut Arguments) -> Result<T, DecodeError> {
        let Some(index) = arguments.advance() else {
            return decode(NULL, &[]).map_err(|_| missing()); // an Option is None
        };
        let encoding = host::read_text(32, |dst| host::arg_encoding(index, dst))?;
        let data = host::read(1024, |dst| host::arg_read(index, dst))?;
        decode(&encoding, &data)
    }
}

impl Argument for Bytes {
    fn take(arguments: &mut Arguments) -> Result<Bytes, DecodeError> {
        let index = arguments.advance().ok_or_else(missing)?;
        let encoding = host::read_text(32, |dst| host::arg_encoding(index, dst))?;
        if encoding != BINARY {
            let encoding = if encoding.is_empty() { "not given" } else { &encoding };
            return Err(DecodeError(format!("its encoding is {encoding}, not binary/plain")));
        }
        Ok(Bytes(host::read(1024, |dst| host::arg_read(index, dst))?))
    }
}

impl Argument for Payload {
    fn take(arguments: &mut Arguments) -> Result<Payload, DecodeError> {
        read_payload(arguments.advance().ok_or_else(missing)?)
    }
}

impl Argument for Payloads {
    fn take(arguments: &mut Arguments) -> Result<Payloads, DecodeError> {
        let mut payloads = Vec::new();
        while let Some(index) = arguments.advance() {
            payloads.push(read_payload(index).map_err(|err| DecodeError(format!("number {}: {err}", index + 1)))?);
        }
        Ok(Payloads(payloads))
    }
}

/// What can be a result, the details of a heartbeat or those of a cancellation: everything that [`serde`] can serialize,
/// as JSON, [`Bytes`] and [`Payload`]. It is not for others to implement.
///
/// `None` travels as `binary/null`. The unit type `()` is no result at all.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the result of an activity",
    note = "a result is a type that implements serde::Serialize, a wasmworker::Bytes or a Payload; an activity returns one, or a Result of one"
)]
pub trait Output {
    #[doc(hidden)]
    fn encode(&self) -> Result<Option<Encoded<'_>>, serde_json::Error>;
}

/// A payload on its way out.
#[doc(hidden)]
#[derive(Debug)]
pub struct Encoded<'a> {
    pub(crate) data: Cow<'a, [u8]>,
    pub(crate) encoding: &'a str,
    pub(crate) metadata: Option<&'a BTreeMap<String, Vec<u8>>>,
}

impl<T: Serialize + ?Sized> Output for T {
    fn encode(&self) -> Result<Option<Encoded<'_>>, serde_json::Error> {
        let data = serde_json::to_vec(self)?;
        if data == b"null" {
            // Only None and its like have a size: the unit type is no result.
            return Ok((size_of_val(self) > 0).then_some(Encoded { data: Cow::Borrowed(&[]), encoding: NULL, metadata: None }));
        }
        Ok(Some(Encoded { data: Cow::Owned(data), encoding: JSON, metadata: None }))
    }
}

impl Output for Bytes {
    fn encode(&self) -> Result<Option<Encoded<'_>>, serde_json::Error> {
        Ok(Some(Encoded { data: Cow::Borrowed(&self.0), encoding: BINARY, metadata: None }))
    }
}

impl Output for Payload {
    fn encode(&self) -> Result<Option<Encoded<'_>>, serde_json::Error> {
        let encoding = self.encoding();
        let metadata = if self.metadata.len() == 1 && !encoding.is_empty() { None } else { Some(&self.metadata) };
        Ok(Some(Encoded { data: Cow::Borrowed(&self.data), encoding, metadata }))
    }
}

impl Encoded<'_> {
    /// Makes it the activity's output.
    pub(crate) fn push(&self) -> Result<(), crate::passthrough::Error> {
        if !self.data.is_empty() {
            host::check(host::output_write(&self.data))?;
        }
        if let Some(metadata) = self.metadata {
            host::check(host::output_metadata(&metadata_json(metadata)))?;
        } else if self.encoding != JSON {
            host::check(host::output_encoding(self.encoding.as_bytes()))?;
        }
        Ok(())
    }

    pub(crate) fn into_payload(self) -> Payload {
        match self.metadata {
            Some(metadata) => Payload { data: self.data.into_owned(), metadata: metadata.clone() },
            None => Payload::new(self.encoding, self.data),
        }
    }
}

pub(crate) fn metadata_from_json(json: &[u8]) -> serde_json::Result<BTreeMap<String, Vec<u8>>> {
    serde_json::from_slice(json).map(|Metadata(metadata)| metadata)
}

pub(crate) fn metadata_json(metadata: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    let metadata = MetadataRef(metadata);
    serde_json::to_vec(&metadata).expect("text and base64 are JSON")
}

/// An object whose values are text, or `{"base64": "…"}` where they are not UTF-8.
pub(crate) struct Metadata(pub(crate) BTreeMap<String, Vec<u8>>);
pub(crate) struct MetadataRef<'a>(pub(crate) &'a BTreeMap<String, Vec<u8>>);

struct MetadataValue(Vec<u8>);
struct MetadataValueRef<'a>(&'a [u8]);

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Metadata, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Metadata;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Metadata, A::Error> {
                let mut metadata = BTreeMap::new();
                while let Some((name, MetadataValue(value))) = entries.next_entry()? {
                    metadata.insert(name, value);
                }
                Ok(Metadata(metadata))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

impl<'de> Deserialize<'de> for MetadataValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<MetadataValue, D::Error> {
        struct TextOrBase64;
        impl<'de> Visitor<'de> for TextOrBase64 {
            type Value = MetadataValue;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text or base64")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<MetadataValue, E> {
                Ok(MetadataValue(text.as_bytes().to_vec()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<MetadataValue, A::Error> {
                let entry: Option<(String, String)> = object.next_entry()?;
                let bytes = entry.filter(|(form, _)| form == "base64").and_then(|(_, text)| base64_decode(&text));
                bytes.map(MetadataValue).ok_or_else(|| de::Error::custom("not base64"))
            }
        }
        deserializer.deserialize_any(TextOrBase64)
    }
}

impl Serialize for MetadataRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, MetadataValueRef(value))))
    }
}

impl Serialize for MetadataValueRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => serializer.collect_map([("base64", base64_encode(self.0))]),
        }
    }
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64_encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().enumerate().fold(0u32, |group, (i, byte)| group | u32::from(*byte) << (16 - 8 * i));
        for i in 0..4 {
            let sextet = (group >> (18 - 6 * i)) as usize & 63;
            text.push(if i <= chunk.len() { BASE64[sextet] as char } else { '=' });
        }
    }
    text
}

fn base64_decode(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=');
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut group, mut bits) = (0u32, 0);
    for c in text.bytes() {
        let sextet = BASE64.iter().position(|&b| b == c)?;
        group = group << 6 | sextet as u32;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((group >> bits) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_there_and_back() {
        for (bytes, text) in [(&b""[..], ""), (b"f", "Zg=="), (b"fo", "Zm8="), (b"foo", "Zm9v"), (b"\xff\xfe\xfd\xfc", "//79/A==")] {
            assert_eq!(base64_encode(bytes), text);
            assert_eq!(base64_decode(text).as_deref(), Some(bytes));
        }
        assert_eq!(base64_decode("Zm9!"), None);
    }

    #[test]
    fn metadata_are_text_or_base64() {
        let metadata = BTreeMap::from([("a".to_owned(), b"text".to_vec()), ("b".to_owned(), vec![0xff])]);
        let json = metadata_json(&metadata);
        assert_eq!(std::str::from_utf8(&json).unwrap(), r#"{"a":"text","b":{"base64":"/w=="}}"#);
        assert_eq!(metadata_from_json(&json).unwrap(), metadata);
        for bad in ["[]", r#"{"a":1}"#, r#"{"a":{}}"#, r#"{"a":{"base32":"AA=="}}"#, r#"{"a":{"base64":"ä"}}"#] {
            assert!(metadata_from_json(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn encodings() {
        assert!(().encode().unwrap().is_none());
        assert_eq!(None::<u8>.encode().unwrap().unwrap().into_payload(), Payload::null());
        assert_eq!("ä".encode().unwrap().unwrap().into_payload(), Payload::new("json/plain", "\"ä\""));
        assert_eq!(Bytes(vec![1]).encode().unwrap().unwrap().into_payload(), Payload::binary([1]));
        let bare = Payload { data: vec![1], ..Payload::default() };
        assert_eq!(bare.encode().unwrap().unwrap().into_payload(), bare);
    }

    #[test]
    fn decoding() {
        assert_eq!(Payload::json(&[1, 2]).unwrap().decode::<Vec<u8>>().unwrap(), [1, 2]);
        assert_eq!(Payload::null().decode::<Option<u8>>().unwrap(), None);
        assert_eq!(Payload { data: b"1".into(), ..Payload::default() }.decode::<u8>().unwrap(), 1);
        for payload in [Payload::null(), Payload::binary("1"), Payload::new("x-acme", "1"), Payload::default()] {
            assert!(payload.decode::<u8>().is_err(), "{payload:?}");
        }
    }
}
