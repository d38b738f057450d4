//! The ping of `examples/reactive-router`: what the controller says to the events of a run.
#![allow(missing_docs)]

use dash_controller::Controller;
use serde_json::{Value, json};

const CONFIG: &str = include_str!("../../reactive-router/remote.json");

/// The frame of this name in the specification's vectors, in hex.
fn vector(name: &str) -> &'static str {
    let lines = include_str!("../../../dash-core/tests/router/vectors.txt").lines();
    let found =
        lines.map(|line| line.split(' ')).find(|fields| fields.clone().next() == Some(name));
    found.and_then(|mut fields| fields.nth(3)).unwrap()
}

fn punt(id: u64, port: &str, frame: &str) -> String {
    json!({ "t_ns": 1, "punt": { "id": id, "reason": "no_flow", "in_port": port, "frame": frame } })
        .to_string()
}

fn said(controller: &mut Controller, event: &str) -> Vec<Value> {
    controller.hear(event).unwrap()
}

#[test]
fn answers_come_first_and_the_frame_s_own_flow_lets_it_go() {
    let mut controller = Controller::new(CONFIG).unwrap();
    let objects = said(&mut controller, &punt(7, "p12", vector("e1")));
    let [back, there] = &objects[..] else { panic!("{objects:?}") };
    assert_eq!(back["flow_add"]["match"]["in_port"], "p11");
    assert_eq!(back["flow_add"]["match"]["eth_dst"], "fa:16:3e:c0:8d:8b");
    assert_eq!(back["flow_add"]["cookie"], "0x1008000000001");
    assert_eq!(back["flow_add"]["release"], Value::Null);
    assert_eq!(there["flow_add"]["release"], 7);
    let actions = json!([
        "dec_ttl", { "eth_src": "fa:16:3e:c0:8d:8b" }, { "eth_dst": "fa:16:3e:00:17:e6" },
        { "output": "p11" },
    ]);
    assert_eq!(there["flow_add"]["actions"], actions);
}

#[test]
fn nobody_has_the_address() {
    let mut controller = Controller::new(CONFIG).unwrap();
    // To 10.1.0.99.
    let frame = vector("e1").replace("0a010003", "0a010063");
    let expected = json!({ "drop_punt": { "id": 1, "reason": "no_host" } });
    assert_eq!(said(&mut controller, &punt(1, "p12", &frame)), [expected]);
}

#[test]
fn other_events_need_no_answer() {
    let mut controller = Controller::new(CONFIG).unwrap();
    assert!(said(&mut controller, "{\"removed\": {\"cookie\": \"0x1\"}}").is_empty());
    assert!(controller.hear("no JSON").is_err());
    assert!(controller.hear(&punt(1, "p12", "0")).is_err());
}
