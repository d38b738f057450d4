//! Configurations of the services on one device with odd values everywhere: they are taken or refused,
//! and a refused one changes nothing of a device that runs.

use std::path::PathBuf;

use dash_hal::PortId;
use dash_host::{
    device::{Device, Service},
    efsm, flow_cache,
    platform::HostPlatform,
    port::PortNames,
    service_file::deserialize,
};
use serde_json::{Value, json};

fn example(name: &str) -> Value {
    let examples = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    serde_json::from_slice(&std::fs::read(examples.join(name)).unwrap()).unwrap()
}

/// Places of all values inside of `value`.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                places(member, &format!("{at}/{name}"), found);
            }
        }
        Value::Array(members) => {
            for (number, member) in members.iter().enumerate() {
                places(member, &format!("{at}/{number}"), found);
            }
        }
        _ => {}
    }
}

fn survives<S: Service>(file: &str, frame: &[u8]) {
    let right = example(file)[S::NAME].clone();
    let read = |object: Value, ports: &mut PortNames| {
        let file = deserialize(json!({ (S::NAME): object }))?;
        S::new(file, ports)
    };
    let mut odd: Vec<_> = ["null", "true", "-1", "0", "7", "1.5", "4095", "70000", "1099511627776"]
        .map(|text| serde_json::from_str(text).unwrap())
        .to_vec();
    odd.extend([json!(""), json!("x"), json!("R9"), json!("eth.src"), json!("DC"), json!("now")]);
    odd.extend([json!([]), json!({}), json!([[]]), json!({ "eth.src": 3 })]);
    let mut ports = PortNames::default();
    let mut service = read(right.clone(), &mut ports).unwrap();
    let limits = *service.limits();
    let platform = || HostPlatform::new(limits.mtu).repeatable();
    let mut device = Device::new(&service, limits, platform()).unwrap();
    let run = |device: &mut Device<S>| device.process(PortId(0), frame, false, &mut ());
    run(&mut device);
    let mut found = Vec::new();
    places(&right, "", &mut found);
    let (mut taken, mut refused) = (0, 0);
    for place in &found {
        for value in &odd {
            let mut wrong = right.clone();
            *wrong.pointer_mut(place).unwrap() = value.clone();
            let mut names = ports.clone();
            let other = read(wrong, &mut names);
            let flows = device.flows(&service, &ports);
            let done = other.map_err(|_| ()).and_then(|mut other| {
                let limits = *other.limits();
                // Another device takes it or not alike.
                let alike = Device::new(&other, limits, platform()).is_ok();
                let done = device.replace(&mut service, other).map_err(|_| ());
                assert_eq!(done.is_ok(), alike, "{place}: {value}");
                done
            });
            if done.is_ok() {
                taken += 1;
                run(&mut device);
                let again = read(right.clone(), &mut ports).unwrap();
                device.replace(&mut service, again).unwrap();
                assert!(device.flows(&service, &ports).is_empty());
                run(&mut device);
            } else {
                refused += 1;
                assert_eq!(device.flows(&service, &ports), flows, "{place}: {value}");
            }
        }
    }
    assert!(taken > found.len() && refused > 5 * found.len(), "{taken} {refused}");
}

#[test]
fn flow_caches() {
    let mut frame = [2; 100];
    frame[12..18].copy_from_slice(&[0x81, 0, 0, 10, 8, 0]);
    survives::<flow_cache::Configuration>("flow-cache/flow-cache.json", &frame);
}

#[test]
fn state_machines() {
    for name in ["limiter", "policer", "knocking", "balancer"] {
        survives::<efsm::Configuration>(&format!("state-machines/{name}.json"), &[3; 60]);
    }
}
