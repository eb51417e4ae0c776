//! CheckFlights reads the records of a chunk, refuses those that cannot be true, and brings the two shapes in which they come into one.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use wasmworker::{ApplicationError, Result, activity, log, passthrough};

passthrough! {
    "wasmworker:files/v1" {
        fn read(range: &[u8]) -> passthrough::Result<Vec<u8>>;
    }
}

/// A range of a file. For the whole file the length is not given.
#[derive(Serialize)]
struct Range {
    file: String,
    offset: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    length: Option<u64>,
}

impl Range {
    fn read(&self) -> Result<Vec<u8>> {
        Ok(read(&serde_json::to_vec(self)?)?)
    }
}

#[derive(Deserialize)]
struct Chunk {
    file: String,
    offset: u64,
    length: u64,
}

/// A record as it is in the files: with the local date and time of the departure and the airports, or only with the time, in hours.
#[derive(Deserialize)]
struct Record {
    delay: i32,    // minutes
    distance: u32, // miles
    date: Option<String>,
    time: Option<f64>,
    origin: Option<String>,
    destination: Option<String>,
}

/// The flights of a chunk, column by column: a third of the size of objects.
#[derive(Default, Serialize)]
struct Flights {
    hours: Vec<u8>, // of the departure, 0 to 23
    delays: Vec<i32>,
    kilometers: Vec<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    routes: Vec<String>, // none, or as many as there are flights: "LAX-BNA"
}

#[derive(Serialize)]
struct BadRecord {
    record: usize, // in the chunk, from 0
    reason: String,
}

/// Nobody leaves an hour too early. More than a day late is another flight.
const PLAUSIBLE_DELAY: std::ops::RangeInclusive<i32> = -60..=1440;

/// Failures carry at most so many bad records: beyond that, the file is not what it should be.
const MOST_REPORTED: usize = 1000;

/// Checks and normalises the records of a chunk, without those that are to be skipped. If any is bad, it fails with all of them in the
/// details: who calls decides whether to go on without them.
#[activity(name = "CheckFlights")]
fn check_flights(chunk: Chunk, airports_file: String, skip: Option<Vec<usize>>) -> Result<Flights> {
    let mut skip = skip.unwrap_or_default();
    skip.sort_unstable();
    let bytes = Range { file: chunk.file.clone(), offset: chunk.offset, length: Some(chunk.length) }.read()?;
    let records: Vec<Record> = serde_json::from_slice(&[b"[", &bytes[..], b"]"].concat()).map_err(|err| {
        ApplicationError::new("NotFlights", format!("{}, bytes from {}: {err}", chunk.file, chunk.offset)).non_retryable()
    })?;
    let airports = match records.iter().any(|record| record.origin.is_some()) {
        true => airports(&Range { file: airports_file, offset: 0, length: None }.read()?)?,
        false => HashMap::new(),
    };

    let mut flights = Flights::default();
    let mut bad = Vec::new();
    for (i, record) in records.iter().enumerate() {
        if skip.binary_search(&i).is_ok() {
            continue;
        }
        if let Err(reason) = flights.add(record, &airports) {
            bad.push(BadRecord { record: i, reason });
        }
    }
    if !bad.is_empty() {
        let message = format!("{}: {} of {} records are bad; the first: {}", chunk.file, bad.len(), records.len(), bad[0].reason);
        bad.truncate(MOST_REPORTED);
        // Benign: the caller expects it, so it is no news for logs and alerts.
        return Err(ApplicationError::new("BadRecords", message).non_retryable().benign().detail(&bad).into());
    }
    log::debug!(flights = flights.delays.len(), skipped = skip.len(); "checked {}", chunk.file);
    Ok(flights)
}

impl Flights {
    fn add(&mut self, record: &Record, airports: &HashMap<String, Place>) -> Result<(), String> {
        if !PLAUSIBLE_DELAY.contains(&record.delay) {
            return Err(format!("a delay of {} minutes is not plausible", record.delay));
        }
        let hour = match (&record.date, record.time) {
            (Some(date), None) => hour_of(date).ok_or_else(|| format!("{date:?} is not a date and time"))?,
            // Hours with a fraction, made from whole minutes: 7.999999 is 8:00.
            (None, Some(time)) if (0.0..24.0).contains(&time) => ((time * 60.0).round() as u32 / 60 % 24) as u8,
            _ => return Err("it has no time of departure".into()),
        };
        let route = match (&record.origin, &record.destination) {
            (Some(origin), Some(destination)) => {
                let from = airports.get(origin).ok_or_else(|| format!("there is no airport {origin}"))?;
                let to = airports.get(destination).ok_or_else(|| format!("there is no airport {destination}"))?;
                let miles = from.miles_to(to);
                if (miles - f64::from(record.distance)).abs() > f64::max(10.0, miles / 50.0) {
                    return Err(format!("from {origin} to {destination} it is {miles:.0} miles, and not {}", record.distance));
                }
                Some(format!("{origin}-{destination}"))
            }
            (None, None) => None,
            _ => return Err("it has one airport".into()),
        };
        if route.is_some() != (self.routes.len() == self.delays.len()) && !self.delays.is_empty() {
            return Err("it has airports, or none, unlike the others of its chunk".into());
        }
        self.hours.push(hour);
        self.delays.push(record.delay);
        self.kilometers.push((f64::from(record.distance) * 1.609344).round() as u32);
        self.routes.extend(route);
        Ok(())
    }
}

/// The hour of "2001/01/31 23:59".
fn hour_of(date: &str) -> Option<u8> {
    let (day, time) = date.split_once(' ')?;
    let numbers = |text: &str, separator| text.split(separator).map(|n| n.parse().ok()).collect::<Option<Vec<u32>>>();
    let (day, time) = (numbers(day, '/')?, numbers(time, ':')?);
    match (&day[..], &time[..]) {
        (&[_, 1..=12, 1..=31], &[hour @ 0..=23, 0..=59]) => Some(hour as u8),
        _ => None,
    }
}

/// Where an airport is, in radians.
struct Place {
    latitude: f64,
    longitude: f64,
}

impl Place {
    /// The distance on a sphere.
    fn miles_to(&self, other: &Place) -> f64 {
        let half = |a: f64, b: f64| ((b - a) / 2.0).sin().powi(2);
        let h = half(self.latitude, other.latitude) + self.latitude.cos() * other.latitude.cos() * half(self.longitude, other.longitude);
        2.0 * 3958.76 * h.sqrt().asin()
    }
}

/// Reads the airports' table: iata,name,city,state,country,latitude,longitude. Only names have quotes and commas, so the code is what
/// comes first and the place is what comes last.
fn airports(csv: &[u8]) -> Result<HashMap<String, Place>> {
    let text = std::str::from_utf8(csv)?;
    let rows = text.lines().skip(1).map(|row| {
        let (code, rest) = row.split_once(',')?;
        let (rest, longitude) = rest.rsplit_once(',')?;
        let (_, latitude) = rest.rsplit_once(',')?;
        let radians = |degrees: &str| degrees.trim().parse().ok().map(f64::to_radians);
        Some((code.to_string(), Place { latitude: radians(latitude)?, longitude: radians(longitude)? }))
    });
    let malformed = || ApplicationError::new("NoAirports", "the table of airports is malformed").non_retryable();
    Ok(rows.collect::<Option<_>>().ok_or_else(malformed)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours() {
        assert_eq!(hour_of("2001/01/31 23:59"), Some(23));
        for wrong in ["", "2001/01/31", "2001/13/31 23:59", "2001/01/31 24:00", "2001/01/31 23:59:10", "2001-01-31 23:59"] {
            assert_eq!(hour_of(wrong), None, "{wrong}");
        }
    }
}
