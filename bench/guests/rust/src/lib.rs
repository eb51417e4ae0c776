//! The activities of package order in Rust, for the same JSON in and out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wasmworker::activity;

#[derive(Deserialize)]
struct Person {
    name: String,
}

#[derive(Serialize)]
struct Greeting {
    greeting: String,
}

#[activity(name = "Greet")]
fn greet(person: Person) -> Greeting {
    Greeting { greeting: format!("Hello, {}!", person.name) }
}

#[derive(Deserialize)]
struct Line {
    sku: String,
    name: String,
    quantity: i64,
    cents: i64,
}

#[derive(Deserialize)]
struct Order {
    id: String,
    customer: String,
    country: String,
    lines: Vec<Line>,
    #[allow(dead_code)]
    labels: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Invoice {
    order_id: String,
    address: String,
    lines: Vec<String>,
    net: i64,
    tax: i64,
    total: i64,
}

#[activity(name = "Price")]
fn price(order: Order) -> Invoice {
    let mut net = 0;
    let lines = order
        .lines
        .iter()
        .map(|line| {
            let cents = line.quantity * line.cents;
            net += cents;
            format!("{} x {} ({}): {}.{:02}", line.quantity, line.name, line.sku, cents / 100, cents % 100)
        })
        .collect();
    let tax = net * 19 / 100;
    let address = format!("{}, {}", order.customer, order.country.to_uppercase());
    Invoice { order_id: order.id, address, lines, net, tax, total: net + tax }
}
