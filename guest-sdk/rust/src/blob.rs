//! Objects in the buckets that the operator has defined: `wasmworker:blob/v1`. What is called is the request for the grant.
//!
//! ```no_run
//! use std::io::{BufRead, BufReader, BufWriter, Write};
//! use wasmworker::blob::{self, PutOptions};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let exports = blob::bucket("exports");
//! exports.put_with("2026/report.json", b"{}", &PutOptions::new().content_type("application/json"))?;
//! for entry in exports.list("2026/") {
//!     let entry = entry?;
//!     println!("{} has {} bytes", entry.key, entry.size);
//! }
//!
//! // Piece by piece, for what does not fit into memory. Each read and write goes to the host, so there is a buffer between.
//! let lines = BufReader::with_capacity(1 << 20, exports.open("2026/in.csv")?).lines();
//! let mut out = BufWriter::with_capacity(1 << 20, exports.create("2026/out.csv")?);
//! for line in lines {
//!     writeln!(out, "{}", line?.to_uppercase())?;
//! }
//! out.into_inner()?.commit()?; // without it, there is no object
//! # Ok(())
//! # }
//! ```
//!
//! All calls return when the store has answered.
//!
//! Keys are UTF-8 without control characters, of 1 to 1024 bytes, not beginning with a slash, and without empty, `.` and `..` segments.
//!
//! # Errors
//!
//! Of all functions here, those of readers and writers within an [`io::Error`]:
//!
//! - [`Errno::EACCES`]: the policy denies it: no such bucket for this module, a key without one of its prefixes, or the bucket is read-only for it.
//! - [`Errno::ENOENT`]: there is no such object, also for [`Bucket::delete`].
//! - [`Errno::EEXIST`]: there is one already, and [`PutOptions::if_none_match`] was asked for.
//! - [`Errno::EINVAL`]: a key is not valid.
//! - [`Errno::EMFILE`]: 256 readers and writers are open.
//! - [`Errno::EMSGSIZE`]: the object is larger than the policy allows, or has more than 16 MiB at once: get a part of it, or use [`Bucket::open`] and [`Bucket::create`].
//! - [`Errno::ETIMEDOUT`]: it took longer than the policy allows.
//! - [`Errno::ECANCELED`]: the activity was interrupted.
//! - [`Errno::EIO`]: the store does not answer, or says no.

use std::collections::BTreeMap;
use std::io;
use std::iter::FusedIterator;
use std::ops::{Bound, RangeBounds};
use std::time::SystemTime;

use serde::{Deserialize, Deserializer, Serialize};

#[allow(unused_imports, reason = "the documentation names it")]
use crate::abi::blob as host;
use crate::passthrough::Errno;
use crate::passthrough::{Result, exchange, tell};

/// The most bytes that one read or write takes, so that a large buffer is not copied as a whole.
const PIECE: usize = 1 << 20;

/// A bucket by the operator's name for it. Nothing is sent yet.
pub fn bucket(name: impl Into<String>) -> Bucket {
    Bucket { name: name.into() }
}

/// A bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    name: String,
}

/// What is known of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Attributes {
    /// How many bytes all of it has.
    pub size: u64,
    /// Such as `text/plain`; may be empty.
    pub content_type: String,
    /// When it was written, if the store tells.
    #[serde(deserialize_with = "time")]
    pub modified: Option<SystemTime>,
    /// Changes with the object; may be empty.
    pub etag: String,
    /// What was given to [`PutOptions::metadata`].
    #[serde(deserialize_with = "or_default")]
    pub metadata: BTreeMap<String, String>,
}

/// The bytes of an object, or some of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Object {
    /// What is known of it.
    pub attributes: Attributes,
    /// The bytes.
    pub data: Vec<u8>,
}

fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SystemTime>, D::Error> {
    let text: Option<String> = Option::deserialize(deserializer)?;
    Ok(text.as_deref().and_then(crate::info::parse_time))
}

fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[derive(Serialize)]
struct Key<'a> {
    bucket: &'a str,
    key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    length: Option<u64>,
    #[serde(flatten)]
    options: Option<&'a PutOptions>,
}

impl Bucket {
    fn key<'a>(&'a self, key: &'a str) -> Key<'a> {
        Key { bucket: &self.name, key, offset: None, length: None, options: None }
    }

    fn part<'a>(&'a self, key: &'a str, range: &impl RangeBounds<u64>) -> Key<'a> {
        let begin = match range.start_bound() {
            Bound::Included(&begin) => begin,
            Bound::Excluded(&before) => before.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(&last) => Some(last.saturating_add(1)),
            Bound::Excluded(&end) => Some(end),
            Bound::Unbounded => None,
        };
        Key { offset: (begin > 0).then_some(begin), length: end.map(|end| end.saturating_sub(begin)), ..self.key(key) }
    }

    /// Gets an object.
    ///
    /// # Errors
    ///
    /// See the [module](self).
    pub fn get(&self, key: &str) -> Result<Object> {
        self.get_range(key, ..)
    }

    /// Gets some bytes of an object: `bucket.get_range("log.txt", 100..200)`. Beyond its end there are fewer.
    ///
    /// # Errors
    ///
    /// See the [module](self).
    pub fn get_range(&self, key: &str, range: impl RangeBounds<u64>) -> Result<Object> {
        let (attributes, data) = exchange(host::get, &self.part(key, &range), &[])?;
        Ok(Object { attributes, data })
    }

    /// Writes an object, and replaces the one that is there.
    ///
    /// # Errors
    ///
    /// See the [module](self).
    pub fn put(&self, key: &str, data: impl AsRef<[u8]>) -> Result<()> {
        self.put_with(key, data, &PutOptions::new())
    }

    /// Writes an object, and says more about it.
    ///
    /// # Errors
    ///
    /// See the [module](self).
    pub fn put_with(&self, key: &str, data: impl AsRef<[u8]>, options: &PutOptions) -> Result<()> {
        tell(host::put, &Key { options: Some(options), ..self.key(key) }, data.as_ref())
    }

    /// What is known of an object.
    ///
    /// # Errors
    ///
    /// See the [module](self).
    pub fn stat(&self, key: &str) -> Result<Attributes> {
        exchange(host::stat, &self.key(key), &[]).map(|(attributes, _)| attributes)
    }

    /// Deletes an object.
    ///
    /// # Errors
    ///
    /// See the [module](self).
    pub fn delete(&self, key: &str) -> Result<()> {
        tell(host::delete, &self.key(key), &[])
    }

    /// The objects whose keys begin with a prefix, which may be empty, sorted by key. They are fetched while they are iterated over.
    pub fn list(&self, prefix: impl Into<String>) -> List<'_> {
        List { bucket: self, prefix: prefix.into(), delimiter: None, max: None, page: None, more: true, entries: Vec::new().into_iter() }
    }

    /// Opens an object, to read it piece by piece.
    ///
    /// # Errors
    ///
    /// See the [module](self).
    pub fn open(&self, key: &str) -> Result<Reader> {
        self.open_range(key, ..)
    }

    /// Opens some bytes of an object. Beyond its end there are fewer.
    ///
    /// # Errors
    ///
    /// See the [module](self).
    pub fn open_range(&self, key: &str, range: impl RangeBounds<u64>) -> Result<Reader> {
        #[derive(Deserialize)]
        struct Opened {
            reader: u64,
            #[serde(flatten)]
            attributes: Attributes,
        }
        let (opened, _): (Opened, _) = exchange(host::open, &self.part(key, &range), &[])?;
        Ok(Reader { reader: opened.reader, attributes: opened.attributes, ended: false })
    }

    /// Begins an object that is written piece by piece. It replaces the one that is there when it is committed, and not before.
    ///
    /// # Errors
    ///
    /// See the [module](self).
    pub fn create(&self, key: &str) -> Result<Writer> {
        self.create_with(key, &PutOptions::new())
    }

    /// Begins an object, and says more about it.
    ///
    /// # Errors
    ///
    /// See the [module](self).
    pub fn create_with(&self, key: &str, options: &PutOptions) -> Result<Writer> {
        #[derive(Deserialize)]
        struct Created {
            writer: u64,
        }
        let (created, _): (Created, _) = exchange(host::create, &Key { options: Some(options), ..self.key(key) }, &[])?;
        Ok(Writer { writer: created.writer, ended: false })
    }
}

/// What is said about an object that is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PutOptions {
    #[serde(skip_serializing_if = "String::is_empty")]
    content_type: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    if_none_match: bool,
}

impl PutOptions {
    /// No content type, no metadata, and an object that is there is replaced.
    pub fn new() -> PutOptions {
        PutOptions::default()
    }

    /// Sets the content type, such as `text/plain; charset=utf-8`.
    pub fn content_type(mut self, content_type: impl Into<String>) -> PutOptions {
        self.content_type = content_type.into();
        self
    }

    /// Adds one of the metadata.
    pub fn metadata(mut self, name: impl Into<String>, value: impl Into<String>) -> PutOptions {
        self.metadata.insert(name.into(), value.into());
        self
    }

    /// Writes the object only if there is none of that key; otherwise the error is [`Errno::EEXIST`].
    pub fn if_none_match(mut self) -> PutOptions {
        self.if_none_match = true;
        self
    }
}

// ---------------------------------------------------------------- Lists

/// An object in a list, or what several have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Entry {
    /// The key, or the prefix.
    pub key: String,
    /// Whether it is a prefix, for all objects whose keys begin with it. See [`List::delimiter`].
    #[serde(rename = "prefix")]
    pub is_prefix: bool,
    /// How many bytes the object has; 0 for a prefix.
    pub size: u64,
    /// When the object was written, if the store tells.
    #[serde(deserialize_with = "time")]
    pub modified: Option<SystemTime>,
}

/// The entries of a list, fetched page by page. After an error there are no more.
#[derive(Debug)]
#[must_use = "a list is fetched while it is iterated over"]
pub struct List<'b> {
    bucket: &'b Bucket,
    prefix: String,
    delimiter: Option<String>,
    max: Option<u32>,
    page: Option<String>,
    more: bool,
    entries: std::vec::IntoIter<Entry>,
}

impl List<'_> {
    /// Lists what keys have, behind the prefix, up to this text only once, as a prefix: with `/`, as if keys were paths, one folder.
    pub fn delimiter(mut self, delimiter: impl Into<String>) -> Self {
        self.delimiter = Some(delimiter.into());
        self
    }

    /// Sets how many entries are fetched at a time, 1 to 1000, which is the default. A small number suits who needs but a few.
    pub fn page_size(mut self, entries: u32) -> Self {
        self.max = Some(entries.clamp(1, 1000));
        self
    }

    fn fetch(&mut self) -> Result<()> {
        #[derive(Serialize)]
        struct Request<'a> {
            bucket: &'a str,
            prefix: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            delimiter: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            page: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            max: Option<u32>,
        }
        #[derive(Deserialize)]
        struct Page {
            objects: Option<Vec<Entry>>,
            next: Option<String>,
        }
        let (delimiter, page) = (self.delimiter.as_deref(), self.page.as_deref());
        let request = Request { bucket: &self.bucket.name, prefix: &self.prefix, delimiter, page, max: self.max };
        let (page, _): (Page, _) = exchange(host::list, &request, &[])?;
        self.entries = page.objects.unwrap_or_default().into_iter();
        self.page = page.next.filter(|next| !next.is_empty());
        self.more = self.page.is_some();
        Ok(())
    }
}

impl Iterator for List<'_> {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Result<Entry>> {
        loop {
            if let Some(entry) = self.entries.next() {
                return Some(Ok(entry));
            }
            if !self.more {
                return None;
            }
            if let Err(err) = self.fetch() {
                self.more = false;
                return Some(Err(err));
            }
        }
    }
}

impl FusedIterator for List<'_> {}

// ---------------------------------------------------------------- Streams

#[derive(Serialize)]
struct Writing {
    writer: u64,
}

#[derive(Serialize)]
struct Reading {
    reader: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    max: Option<usize>,
}

/// An object that is being read. Each read is a call of the host, and gets 1 MiB at most; a [`BufReader`](io::BufReader) makes small reads
/// cheap.
#[derive(Debug)]
pub struct Reader {
    reader: u64,
    attributes: Attributes,
    ended: bool,
}

impl Reader {
    /// What is known of the object.
    pub fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    fn next(&mut self, max: usize) -> Result<Vec<u8>> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Piece {
            end: bool,
        }
        let (piece, data): (Piece, Vec<u8>) = exchange(host::read, &Reading { reader: self.reader, max: Some(max) }, &[])?;
        if data.len() > max {
            return Err(crate::passthrough::Error::new(Errno::EIO, "the host has read more than it was asked for"));
        }
        self.ended = piece.end;
        Ok(data)
    }
}

impl io::Read for Reader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        // A piece without bytes is not the end unless it says so, whereas 0 would be.
        while !self.ended && !buf.is_empty() {
            let data = self.next(buf.len().min(PIECE))?;
            if !data.is_empty() {
                buf[..data.len()].copy_from_slice(&data);
                return Ok(data.len());
            }
        }
        Ok(0)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let _ = tell(host::close, &Reading { reader: self.reader, max: None }, &[]);
    }
}

/// An object that is being written. Each write is a call of the host, and takes 1 MiB at most; a [`BufWriter`](io::BufWriter) makes small
/// writes cheap. Without [`commit`](Writer::commit) it is given up, and what was there before stays.
#[derive(Debug)]
#[must_use = "a writer that is dropped has written nothing"]
pub struct Writer {
    writer: u64,
    ended: bool,
}

impl Writer {
    /// Puts the object there, as a whole.
    ///
    /// # Errors
    ///
    /// See the [module](self).
    pub fn commit(mut self) -> Result<()> {
        tell(host::commit, &Writing { writer: self.writer }, &[])?;
        self.ended = true;
        Ok(())
    }
}

impl io::Write for Writer {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let piece = &buf[..buf.len().min(PIECE)];
        if !piece.is_empty() {
            tell(host::write, &Writing { writer: self.writer }, piece)?;
        }
        Ok(piece.len())
    }

    /// There is nothing to do: all that was written is with the host.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if !self.ended {
            let _ = tell(host::close, &Writing { writer: self.writer }, &[]);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::io::{Read, Write};
    use std::rc::Rc;
    use std::time::Duration;

    use serde_json::{Value as Json, json};

    use super::*;
    use crate::passthrough::{Error, decode_frame, encode_frame};
    use crate::testing::Env;

    type Calls = Rc<RefCell<Vec<(&'static str, Json, Vec<u8>)>>>;

    /// A host that remembers what it is asked, and answers as the function says.
    fn host(answer: impl Fn(&str, &Json) -> Result<Vec<u8>> + 'static) -> (Env, Calls) {
        let (calls, answer) = (Calls::default(), Rc::new(answer));
        let functions = ["get", "put", "stat", "delete", "list", "open", "read", "create", "write", "commit", "close"];
        let env = functions.into_iter().fold(Env::new(), |env, function| {
            let (calls, answer) = (Rc::clone(&calls), Rc::clone(&answer));
            env.passthrough("wasmworker:blob/v1", function, move |request| {
                let (head, body): (Json, _) = decode_frame(request)?;
                calls.borrow_mut().push((function, head.clone(), body.to_vec()));
                answer(function, &head)
            })
        });
        (env, calls)
    }

    fn heads(calls: &Calls) -> Vec<(&'static str, Json)> {
        calls.borrow().iter().map(|(function, head, _)| (*function, head.clone())).collect()
    }

    #[test]
    fn objects() {
        let attributes =
            json!({"size": 10, "content_type": "text/plain", "modified": "1970-01-01T00:00:05Z", "etag": "e", "metadata": {"a": "b"}});
        let (env, calls) = host(move |function, _| match function {
            "get" => encode_frame(&attributes, b"345"),
            "stat" => encode_frame(&json!({"size": 10, "metadata": null}), &[]),
            _ => Ok(Vec::new()),
        });
        env.run(|| {
            let b = bucket("box");
            let object = b.get("k").unwrap();
            assert_eq!((&*object.data, object.attributes.size, &*object.attributes.content_type), (&b"345"[..], 10, "text/plain"));
            assert_eq!(object.attributes.modified, Some(SystemTime::UNIX_EPOCH + Duration::from_secs(5)));
            assert_eq!((&*object.attributes.etag, &*object.attributes.metadata["a"]), ("e", "b"));
            b.get_range("k", 3..6).unwrap();
            b.get_range("k", ..=4).unwrap();
            b.get_range("k", 3..).unwrap();
            let (begin, end) = (6, 3);
            b.get_range("k", begin..end).unwrap();
            assert_eq!(b.stat("k").unwrap(), Attributes { size: 10, ..Attributes::default() });
            b.put("k", "text").unwrap();
            b.put_with("k", [0u8], &PutOptions::new().content_type("a/b").metadata("m", "v").if_none_match()).unwrap();
            b.delete("k").unwrap();
        });
        let k = |more: Json| {
            let mut head = json!({"bucket": "box", "key": "k"});
            head.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            head
        };
        let want = [
            ("get", k(json!({}))),
            ("get", k(json!({"offset": 3, "length": 3}))),
            ("get", k(json!({"length": 5}))),
            ("get", k(json!({"offset": 3}))),
            ("get", k(json!({"offset": 6, "length": 0}))),
            ("stat", k(json!({}))),
            ("put", k(json!({}))),
            ("put", k(json!({"content_type": "a/b", "metadata": {"m": "v"}, "if_none_match": true}))),
            ("delete", k(json!({}))),
        ];
        assert_eq!(heads(&calls), want);
        assert_eq!((&*calls.borrow()[6].2, &*calls.borrow()[7].2), (&b"text"[..], &[0][..]));
    }

    #[test]
    fn lists() {
        let (env, calls) = host(|_, head| match head["page"].as_str() {
            None => encode_frame(&json!({"objects": [{"key": "a/b", "size": 12}, {"key": "a/c/", "prefix": true}], "next": "p2"}), &[]),
            Some("p2") => encode_frame(&json!({"objects": [], "next": "p3"}), &[]),
            Some("p3") if head["delimiter"] == "/" => encode_frame(&json!({"objects": [{"key": "a/d"}]}), &[]),
            Some(_) => Err(Error::new(Errno::EIO, "gone")),
        });
        env.run(|| {
            let b = bucket("box");
            let entries = b.list("a/").delimiter("/").page_size(5000).collect::<Result<Vec<_>>>().unwrap();
            let entries: Vec<_> = entries.iter().map(|entry| (&*entry.key, entry.is_prefix, entry.size)).collect();
            assert_eq!(entries, [("a/b", false, 12), ("a/c/", true, 0), ("a/d", false, 0)]);
            let first = json!({"bucket": "box", "prefix": "a/", "delimiter": "/", "max": 1000});
            assert_eq!((calls.borrow().len(), &calls.borrow()[0].1), (3, &first));
            let mut list = b.list("");
            assert_eq!(list.by_ref().filter(Result::is_ok).count(), 2);
            assert!(list.next().is_none());
            assert_eq!(calls.borrow()[5].1, json!({"bucket": "box", "prefix": "", "page": "p3"}));
            assert_eq!(b.list("").take(2).count(), 2);
        });
        assert_eq!(calls.borrow().len(), 7);
    }

    #[test]
    fn readers() {
        let pieces = RefCell::new(vec![("lo", true), ("", false), ("hel", false)]);
        let (env, calls) = host(move |function, _| match function {
            "open" => encode_frame(&json!({"reader": 5, "size": 5, "content_type": "text/plain"}), &[]),
            "read" => {
                let (data, end) = pieces.borrow_mut().pop().unwrap();
                encode_frame(&if end { json!({"end": true}) } else { json!({}) }, data.as_bytes())
            }
            _ => Ok(Vec::new()),
        });
        env.run(|| {
            let mut reader = bucket("box").open_range("k", 1..).unwrap();
            assert_eq!((reader.attributes().size, &*reader.attributes().content_type), (5, "text/plain"));
            assert_eq!(reader.read(&mut []).unwrap(), 0);
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            assert_eq!((&*text, reader.read(&mut [0; 5]).unwrap()), ("hello", 0));
        });
        let names: Vec<_> = calls.borrow().iter().map(|(function, ..)| *function).collect();
        assert_eq!(names, ["open", "read", "read", "read", "close"]);
        assert_eq!(calls.borrow()[0].1, json!({"bucket": "box", "key": "k", "offset": 1}));
        assert_eq!(calls.borrow()[4].1, json!({"reader": 5}));

        let (env, calls) = host(|function, _| match function {
            "open" => encode_frame(&json!({"reader": 6}), &[]),
            "read" => encode_frame(&json!({}), b"too much"),
            _ => Ok(Vec::new()),
        });
        env.run(|| assert!(bucket("box").open("k").unwrap().read(&mut [0; 5]).is_err()));
        assert_eq!(heads(&calls)[1..], [("read", json!({"reader": 6, "max": 5})), ("close", json!({"reader": 6}))]);
    }

    #[test]
    fn writers() {
        let (env, calls) = host(|function, _| match function {
            "create" => encode_frame(&json!({"writer": 7}), &[]),
            _ => Ok(Vec::new()),
        });
        let large = vec![1; PIECE + 1];
        env.run(|| {
            let mut writer = bucket("box").create_with("k", &PutOptions::new().metadata("made", "by hand")).unwrap();
            write!(writer, "größe").unwrap();
            writer.write_all(b"").unwrap();
            assert_eq!(writer.write(b"").unwrap(), 0);
            writer.write_all(&large).unwrap();
            writer.commit().unwrap();
            let mut given_up = bucket("box").create("k").unwrap();
            given_up.write_all(b"x").unwrap();
        });
        let calls = calls.borrow();
        let names: Vec<_> = calls.iter().map(|(function, _, body)| (*function, body.len())).collect();
        let want = [("create", 0), ("write", 7), ("write", PIECE), ("write", 1), ("commit", 0), ("create", 0), ("write", 1), ("close", 0)];
        assert_eq!(names, want);
        assert_eq!(calls[0].1, json!({"bucket": "box", "key": "k", "metadata": {"made": "by hand"}}));
        assert_eq!((&calls[1].1, &calls[4].1, &calls[7].1), (&json!({"writer": 7}), &json!({"writer": 7}), &json!({"writer": 7})));
    }

    #[test]
    fn errors_of_streams() {
        let (env, calls) = host(|function, _| match function {
            "create" => encode_frame(&json!({"writer": 7}), &[]),
            "open" => Err(Error::new(Errno::ENOENT, "no such object")),
            "commit" | "write" => Err(Error::new(Errno::ECANCELED, "interrupted")),
            _ => Ok(Vec::new()),
        });
        env.run(|| {
            let mut writer = bucket("box").create("k").unwrap();
            let err = writer.write_all(b"x").unwrap_err(); // an Interrupted would be tried again for good
            assert_eq!((err.kind(), err.to_string()), (io::ErrorKind::Other, "ECANCELED: interrupted".to_owned()));
            assert_eq!(err.downcast::<Error>().unwrap().errno(), Errno::ECANCELED);
            assert_eq!(writer.commit().unwrap_err().errno(), Errno::ECANCELED);
            let err = io::Error::from(bucket("box").open("k").unwrap_err());
            assert_eq!(err.kind(), io::ErrorKind::NotFound);
        });
        assert_eq!(heads(&calls).last().unwrap().0, "open");
        assert_eq!(heads(&calls)[3], ("close", json!({"writer": 7})));
    }
}
