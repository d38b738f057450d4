//! Configurations: every object with every field wrong once, forms of values, references,
//! transactions.

mod command;

use command::{dash, examples};
use dash_host::config::{Reader, problem::Problem, state::State};
use serde_json::{Value, json};

/// Every kind of object with every field that it has.
const EVERY_OBJECT: &str = include_str!("every_object.json");
const SCHEMA: &str = include_str!("../schema/dash-config.schema.json");

fn every_object() -> Vec<Value> {
    serde_json::from_str(EVERY_OBJECT).unwrap()
}

fn read(objects: &[Value]) -> Result<State, Vec<Problem>> {
    Reader::default().text(&State::default(), "base.json", &json!(objects).to_string())
}

/// The member name of an object.
fn name(object: &Value) -> String {
    object.as_object().unwrap().keys().find(|name| *name != "OP").unwrap().clone()
}

/// The fields of an object; those of its first item when it is a list.
fn fields(object: &mut Value) -> &mut serde_json::Map<String, Value> {
    let name = name(object);
    let value = &mut object[name.as_str()];
    let value = if value.is_array() { &mut value[0] } else { value };
    value.as_object_mut().unwrap()
}

fn schema() -> jsonschema::Validator {
    jsonschema::validator_for(&serde_json::from_str(SCHEMA).unwrap()).unwrap()
}

#[test]
fn every_object_is_accepted_by_the_command_and_the_schema() {
    read(&every_object()).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let errors: Vec<_> =
        schema().iter_errors(&json!(every_object())).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn every_object_has_the_fields_that_the_schema_names() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let definitions = schema["$defs"].as_object().unwrap();
    let objects = every_object();
    for (table, definition) in definitions.iter().filter(|(name, _)| name.ends_with("_table")) {
        let start = format!("DASH_{}:", table.to_uppercase());
        let object = objects.iter().find(|object| name(object).starts_with(&start));
        let mut object = object.unwrap_or_else(|| panic!("no {start}")).clone();
        let properties =
            definition.get("properties").or_else(|| definition["anyOf"][1].get("properties"));
        let known: Vec<_> = properties.unwrap().as_object().unwrap().keys().collect();
        let mut given: Vec<_> = fields(&mut object).keys().collect();
        given.sort();
        let mut sorted = known.clone();
        sorted.sort();
        assert_eq!(given, sorted, "{table}");
    }
}

#[test]
fn every_field_wrong_once_is_named_and_refused() {
    let objects = every_object();
    let schema = schema();
    for index in 0..objects.len() {
        let names: Vec<String> = fields(&mut objects[index].clone()).keys().cloned().collect();
        for field in names {
            let mut wrong = objects.clone();
            fields(&mut wrong[index]).insert(field.clone(), json!({"wrong": []}));
            let problems = read(&wrong).expect_err(&field);
            let [problem] = problems.as_slice() else { panic!("{field}: {problems:?}") };
            let text = problem.to_string();
            let object = name(&objects[index]);
            assert!(text.starts_with(&format!("base.json: {object}: field ")), "{text}");
            assert!(problem.field.as_ref().unwrap().contains(&field), "{text}");
            assert!(!schema.is_valid(&json!(wrong)), "the schema accepts {object} {field}");
        }
        let mut wrong = objects.clone();
        fields(&mut wrong[index]).insert("surprise".into(), json!(1));
        let problems = read(&wrong).unwrap_err();
        assert!(problems[0].to_string().contains("surprise: is unknown"), "{problems:?}");
        assert!(!schema.is_valid(&json!(wrong)));
    }
}

/// Object, field, bad value.
const BAD_VALUES: &[(&str, &str, &str)] = &[
    ("APPLIANCE", "sip", "\"fd00::1\""),
    ("APPLIANCE", "sip_v6", "\"10.0.0.1\""),
    ("APPLIANCE", "vm_vni", "16777216"),
    ("APPLIANCE", "vm_vni", "-1"),
    ("APPLIANCE", "vm_vni", "\"+1\""),
    ("APPLIANCE", "vm_vni", "1.5"),
    ("APPLIANCE", "outbound_direction_lookup", "\"both\""),
    ("APPLIANCE", "trusted_vnis_list", "[[5, 4]]"),
    ("APPLIANCE", "trusted_vnis_list", "[[1, 2, 3]]"),
    ("APPLIANCE", "trusted_vnis_list", "{\"min\": 1}"),
    ("ENI", "mac_address", "\"02:00:00:00:00\""),
    ("ENI", "mac_address", "\"02:00:00:00:00:0g\""),
    ("ENI", "mac_address", "\"02:00-00:00:00:01\""),
    ("ENI", "admin_state", "\"up\""),
    ("ENI", "admin_state", "2"),
    ("ENI", "underlay_ip", "\"10.0.0.256\""),
    ("ENI", "disable_fast_path_icmp_flow_redirection", "1"),
    ("ENI", "vnet", "\"Vnet9\""),
    ("ENI", "appliance", "\"9\""),
    ("ENI_ROUTE", "group_id", "\"nobody\""),
    ("ROUTE", "routing_type", "\"privatelink\""),
    ("ROUTE", "routing_type", "\"servicetunnel\""),
    ("ROUTE", "routing_type", "\"appliance\""),
    ("ROUTE", "routing_type", "\"vnet_encap\""),
    ("ROUTE", "routing_type", "\"elsewhere\""),
    ("ROUTE", "vnet", "\"Vnet9\""),
    ("ROUTE_RULE", "action_type", "\"mapdecap\""),
    ("ROUTE_RULE", "priority", "8"),
    ("ROUTE_RULE", "protocol", "256"),
    ("ROUTE_RULE", "vnet", "\"Vnet9\""),
    ("ROUTING_TYPE", "action_type", "\"4_to_6\""),
    ("ROUTING_TYPE", "action_type", "\"maprouting\""),
    ("ROUTING_TYPE", "encap_type", "\"nvgre\""),
    ("VNET_MAPPING", "routing_type", "\"privatelink\""),
    ("VNET_MAPPING", "routing_type", "\"direct\""),
    ("VNET_MAPPING", "underlay_ip_v6", "\"1.1.1.1\""),
    ("PA_VALIDATION", "prefixes", "[\"10.0.0.1/8\"]"),
    ("PA_VALIDATION", "prefixes", "[\"10.0.0.0/33\"]"),
    ("ACL_GROUP", "ip_version", "4"),
    ("ACL_RULE", "src_addr", "\"10.0.0.1/8\""),
    ("ACL_RULE", "src_addr", "\"fd00::/8\""),
    ("ACL_RULE", "src_tag", "\"nobody\""),
    ("ACL_RULE", "dst_port", "[65536]"),
    ("ACL_RULE", "dst_port", "\"9,8\""),
    ("ACL_RULE", "dst_port", "\"http\""),
    ("ACL_RULE", "protocol", "[300]"),
    ("ACL_IN", "v4_acl_group_id", "\"acl6\""),
    ("ACL_IN", "v6_acl_group_id", "\"acl1\""),
    ("ACL_OUT", "v4_acl_group_id", "\"nobody\""),
    ("PREFIX_TAG", "prefix_list", "[\"fd00::/8\"]"),
    ("UNDERLAY_ROUTE", "action", "\"trap\""),
    ("UNDERLAY_ROUTE", "port", "\"../x\""),
];

#[test]
fn bad_values_end_the_command_with_2_and_nothing_written() {
    let folder = tempfile::tempdir().unwrap();
    let capture = format!("0={}", examples().join("vnet-to-vnet/vm.pcap").display());
    let (config, out) = (folder.path().join("bad.json"), folder.path().join("out"));
    for (table, field, value) in BAD_VALUES {
        let mut objects = every_object();
        let start = format!("DASH_{table}_TABLE:");
        let object = objects.iter_mut().find(|object| name(object).starts_with(&start)).unwrap();
        let full = name(object);
        fields(object).insert((*field).to_owned(), serde_json::from_str(value).unwrap());
        std::fs::write(&config, json!(objects).to_string()).unwrap();
        let (config, folder) = (config.display().to_string(), out.display().to_string());
        let outcome = dash(["run", "--config", &config, "--in", &capture, "--out", &folder]);
        assert_eq!(outcome.code, 2, "{table} {field} {value}: {}", outcome.stderr);
        assert!(
            outcome.stderr.contains(&format!("{config}: {full}: field ")),
            "{}",
            outcome.stderr
        );
        assert!(outcome.stderr.contains(field), "{field}: {}", outcome.stderr);
        assert!(!out.exists(), "{table} {field} {value}");
        assert_eq!(outcome.stdout, "");
    }
}

#[test]
fn missing_mandatory_fields_are_named() {
    for (table, field) in [
        ("APPLIANCE", "sip"),
        ("APPLIANCE", "vm_vni"),
        ("VNET", "vni"),
        ("ENI", "mac_address"),
        ("ENI", "underlay_ip"),
        ("ENI", "vnet"),
        ("ENI_ROUTE", "group_id"),
        ("ROUTE", "vnet"),
        ("ACL_GROUP", "ip_version"),
        ("ACL_RULE", "priority"),
        ("ACL_RULE", "action"),
        ("PREFIX_TAG", "ip_version"),
        ("ROUTING_TYPE", "action_type"),
        ("UNDERLAY_ROUTE", "action"),
        ("UNDERLAY_ROUTE", "port"),
    ] {
        let mut objects = every_object();
        let start = format!("DASH_{table}_TABLE:");
        let object = objects.iter_mut().find(|object| name(object).starts_with(&start)).unwrap();
        fields(object).remove(field).unwrap();
        let problems = read(&objects).expect_err(field);
        let text = problems[0].to_string();
        assert!(text.contains(&start) && text.contains(&format!("{field}: is missing")), "{text}");
    }
}

/// The problems of `text`, alone.
fn problems_of(text: &str) -> String {
    let problems = Reader::default().text(&State::default(), "f.json", text).unwrap_err();
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn malformed_files_objects_and_keys_are_named() {
    for (text, expected) in [
        ("[", "f.json: no JSON"),
        ("{}", "f.json: expected a list"),
        ("[1]", "f.json: object 1: expected an object"),
        ("[{}]", "f.json: object 1: has no member"),
        (r#"[{"OP": "SET"}]"#, "f.json: object 1: has no member"),
        (
            r#"[{"DASH_VNET_TABLE:a": {"vni": 1}, "DASH_VNET_TABLE:b": {"vni": 1}}]"#,
            "in one object",
        ),
        (r#"[{"DASH_VNET_TABLE:a": {"vni": 1}, "OP": "ADD"}]"#, "field OP"),
        (r#"[{"DASH_VNET_TABLE:a": {"vni": 1}, "OP": "SET", "OP": "SET"}]"#, "OP: stands twice"),
        (
            r#"[{"DASH_VNET_TABLE:a": {"vni": 1, "vni": 1}}]"#,
            "DASH_VNET_TABLE:a: field vni: stands twice",
        ),
        (r#"[{"DASH_VNET_TABLE": {"vni": 1}}]"#, "DASH_VNET_TABLE: is no DASH_"),
        (r#"[{"DASH_NOVEL_TABLE:a": {}}]"#, "DASH_NOVEL_TABLE:a: is of no known table"),
        (r#"[{"DASH_VNET_TABLE:": {"vni": 1}}]"#, "has no VNET name"),
        (r#"[{"DASH_VNET_TABLE:a:b": {"vni": 1}}]"#, "goes on with"),
        (r#"[{"DASH_ENI_TABLE:eni1": {}}]"#, "\"eni1\" is no MAC"),
        (r#"[{"DASH_ACL_RULE_TABLE:g:one": {}}]"#, "\"one\" is no number"),
        (r#"[{"DASH_ACL_IN_TABLE:F4939FEFC47E:6": {}}]"#, "\"6\" is no number from 1 to 5"),
        (r#"[{"DASH_ACL_IN_TABLE:F4939FEFC47E:0": {}}]"#, "no number from 1 to 5"),
        (r#"[{"DASH_ROUTE_TABLE:g:10.0.0.1/8": {}}]"#, "host bits"),
        (r#"[{"DASH_ROUTE_TABLE:g": {}}]"#, "no prefix"),
        (r#"[{"DASH_VNET_MAPPING_TABLE:v:x": {}}]"#, "\"x\" is no IP address"),
        (r#"[{"DASH_PA_VALIDATION_TABLE:16777216": {}}]"#, "no number from 0 to 16777215"),
        (r#"[{"DASH_ROUTING_TYPE_TABLE:privatelink": []}]"#, "privatelink is not built yet"),
        (
            r#"[{"DASH_ROUTE_RULE_TABLE:F4939FEFC47E:1:10.0.0.0/8:x": {}}]"#,
            "priority \"x\" is no number",
        ),
        (r#"[{"DASH_VNET_TABLE:a": 1, "OP": "DEL"}]"#, "expected an object"),
        (r#"[{"DASH_UNDERLAY_TABLE:7": {}}]"#, "there is no DASH_APPLIANCE_TABLE:7"),
    ] {
        let problems = problems_of(text);
        assert!(problems.contains(expected), "{text}: {problems}");
    }
}

#[test]
fn references_are_checked_on_the_final_state_in_both_directions() {
    let before = read(&every_object()).unwrap();
    for (deleted, user) in [
        ("DASH_APPLIANCE_TABLE:100", "DASH_ENI_TABLE"),
        ("DASH_VNET_TABLE:Vnet1", "DASH_ENI_TABLE"),
        ("DASH_ENI_TABLE:f4939fefc47e", "DASH_ENI_ROUTE_TABLE"),
        ("DASH_ROUTE_GROUP_TABLE:group_1", "DASH_ENI_ROUTE_TABLE"),
        ("DASH_ACL_GROUP_TABLE:acl1", "DASH_ACL_IN_TABLE"),
        ("DASH_PREFIX_TAG_TABLE:tag1", "DASH_ACL_RULE_TABLE"),
    ] {
        let text = json!([{deleted: {}, "OP": "DEL"}]).to_string();
        let problems = Reader::default().text(&before, "del.json", &text).expect_err(deleted);
        let found = problems.iter().any(|problem| {
            let text = problem.to_string();
            text.contains(user) && text.contains("is deleted by del.json")
        });
        assert!(found, "{deleted}: {problems:?}");
    }
    // What is set again, or whose user goes too, may go; deleting nothing is nothing.
    let text = r#"[
        {"DASH_VNET_TABLE:Vnet1": {}, "OP": "DEL"}, {"DASH_VNET_TABLE:Vnet1": {"vni": 7}},
        {"DASH_ACL_IN_TABLE:F4939FEFC47E:1": {}, "OP": "del"},
        {"DASH_ACL_OUT_TABLE:F4939FEFC47E:5": {}, "OP": "DEL"},
        {"DASH_ACL_GROUP_TABLE:acl1": {}, "OP": "DEL"},
        {"DASH_VNET_TABLE:never": {}, "OP": "DEL"}]"#;
    let after = Reader::default().text(&before, "del.json", text).unwrap();
    assert_eq!(after.vnets["Vnet1"].value.vni, 7);
    assert!(after.acl_rules.is_empty(), "an unbound group takes its rules along");
}

#[test]
fn objects_that_contradict_each_other_are_refused() {
    let eni = |mac: &str| json!({"mac_address": mac, "underlay_ip": "1.1.1.1", "vnet": "Vnet1"});
    let with = |objects: &[Value]| {
        let mut all = every_object();
        all.extend_from_slice(objects);
        let problems = read(&all).expect_err("accepted");
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let text = with(&[json!({"DASH_ENI_TABLE:020000000009": eni("f4939fefc47e")})]);
    assert!(text.contains("field mac_address: is also the MAC of"), "{text}");
    let rule = json!({"priority": 1, "action": "deny"});
    let text = with(&[json!({"DASH_ACL_RULE_TABLE:acl1:2": rule})]);
    assert!(text.contains("DASH_ACL_RULE_TABLE:acl1:2: field priority: 1 is also"), "{text}");
    // The appliance loses sip_v6 while mappings and ENIs need it.
    let appliance = json!({"sip": "10.0.0.1", "vm_vni": 100});
    let text = with(&[
        json!({"DASH_APPLIANCE_TABLE:100": appliance}),
        json!({"DASH_VNET_MAPPING_TABLE:Vnet1:10.1.0.9":
            {"routing_type": "vnet_encap", "underlay_ip": "fd01::9"}}),
    ]);
    assert!(text.contains("field underlay_ip: is IPv6"), "{text}");
}

#[test]
fn an_eni_belongs_to_the_first_appliance_in_number_order() {
    let objects = json!([
        {"DASH_APPLIANCE_TABLE:10": {"sip": "10.0.0.10", "vm_vni": 10}},
        {"DASH_APPLIANCE_TABLE:9": {"sip": "10.0.0.9", "vm_vni": 9}},
        {"DASH_APPLIANCE_TABLE:a": {"sip": "10.0.0.8", "vm_vni": 8}},
        {"DASH_VNET_TABLE:v": {"vni": 1}},
        {"DASH_ENI_TABLE:020000000001":
            {"mac_address": "020000000001", "underlay_ip": "1.1.1.1", "vnet": "v"}}
    ]);
    let state = read(objects.as_array().unwrap()).unwrap();
    let eni = &state.enis.first_key_value().unwrap().1.value;
    assert_eq!(state.appliance_of(eni).unwrap().0.0, "9");
}

#[test]
fn the_deprecated_trusted_vnis_are_one_range_and_count_without_the_list() {
    for (fields, expected) in [
        (json!({"trusted_vnis": [40, 50]}), vec![(40, 50)]),
        (json!({"trusted_vnis": "40,50"}), vec![(40, 50)]),
        (json!({"trusted_vnis": {"min": 40, "max": "50"}}), vec![(40, 50)]),
        (json!({"trusted_vnis": 40}), vec![(40, 40)]),
        (json!({"trusted_vnis_list": [40, 50]}), vec![(40, 40), (50, 50)]),
        (json!({"trusted_vnis_list": [1], "trusted_vnis": [40, 50]}), vec![(1, 1)]),
    ] {
        let mut object = json!({"DASH_APPLIANCE_TABLE:1": {"sip": "10.0.0.1", "vm_vni": 1}});
        let appliance = object["DASH_APPLIANCE_TABLE:1"].as_object_mut().unwrap();
        appliance.extend(fields.as_object().unwrap().clone());
        let state = read(&[object]).unwrap();
        let read = &state.appliances.first_key_value().unwrap().1.value.trusted_vnis;
        assert_eq!(*read, expected, "{fields}");
    }
}

#[test]
fn what_is_not_acted_on_is_told_once_for_each_table_and_field() {
    let mut reader = Reader::default();
    let text = r#"[{"DASH_QOS_TABLE:a": {}}, {"DASH_QOS_TABLE:b": {}},
        {"DASH_VNET_TABLE:v": {"vni": 1, "guid": "g"}}]"#;
    reader.text(&State::default(), "f.json", text).unwrap();
    let warnings: Vec<_> = reader.warnings().collect();
    assert_eq!(
        warnings,
        [
            "f.json: DASH_QOS_TABLE:a: accepted, not acted on (nor in 1 more object)",
            "f.json: DASH_VNET_TABLE:v: field guid: accepted, not acted on",
        ]
    );
}

#[test]
fn shipped_configurations_are_of_the_schema() {
    let schema = schema();
    let mut count = 0;
    for example in ["vnet-to-vnet", "spec-frames"] {
        for entry in std::fs::read_dir(examples().join(example)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "json") {
                let text = std::fs::read_to_string(&path).unwrap();
                let config = serde_json::from_str(&text).unwrap();
                assert!(schema.is_valid(&config), "{}", path.display());
                count += 1;
            }
        }
    }
    assert!(count > 5);
}
