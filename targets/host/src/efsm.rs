//! State machines as a service of `dash run`: programs in JSON, and their words.

use std::collections::BTreeMap;

use dash_core::{
    flow::WhenFull,
    pipeline::efsm::{
        Action, CONDITIONS, Comparison, Condition, DropReason, Efsm, Event, Field, FlowKey,
        FlowState, MATCHES, Operand, Operation, Program, REGISTERS, ROWS, Refused, Register, Row,
        UPDATES, Update,
    },
    table::cuckoo::MAX_CAPACITY,
};
use dash_hal::PortId;
use serde::Deserialize;
use serde_json::{Map, Value};
use smoltcp::wire::{EthernetAddress, Ipv4Address, Ipv6Address};

use crate::{
    device::{Limits, Service},
    port::{PortNames, check_name},
    service_file::Kind,
};

/// A whole file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    efsm: Document,
}

/// What is under `efsm`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    key: Vec<String>,
    #[serde(default = "max_flows")]
    max_flows: u32,
    #[serde(default)]
    idle_ms: u32,
    #[serde(default)]
    conditions: Vec<ConditionEntry>,
    rows: Vec<RowEntry>,
    #[serde(default)]
    forward: BTreeMap<String, String>,
    #[serde(default = "event_queue")]
    event_queue: usize,
}

const fn max_flows() -> u32 {
    4096
}
const fn event_queue() -> usize {
    256
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConditionEntry {
    left: OperandEntry,
    op: String,
    right: OperandEntry,
}

/// A number, or the name of a register, of a field, or of the time.
#[derive(Clone, Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a number of 32 bits, or the name of a register, a field or now"
)]
enum OperandEntry {
    Number(u32),
    Name(String),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RowEntry {
    state: Option<u16>,
    #[serde(default, rename = "match")]
    matches: BTreeMap<String, Value>,
    #[serde(default, rename = "if")]
    conditions: BTreeMap<String, bool>,
    next: u16,
    #[serde(default)]
    updates: Vec<UpdateEntry>,
    action: ActionEntry,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct UpdateEntry {
    to: String,
    left: OperandEntry,
    op: String,
    right: OperandEntry,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum ActionEntry {
    Forward,
    Drop,
    Output(String),
}

/// The program and its sizes.
#[derive(Clone, Debug)]
pub struct Configuration {
    program: Program<'static>,
    limits: Limits,
}

fn field(name: &str) -> Result<Field, String> {
    let mut fields = Field::ALL.into_iter();
    let field = fields.find(|field| field.to_string() == name);
    field.ok_or_else(|| format!("there is no field \"{name}\""))
}

/// R0 to R3, G0 to G3.
fn register(name: &str) -> Option<Register> {
    let (kind, number) = name.split_at_checked(1)?;
    let number = ["0", "1", "2", "3"].iter().position(|known| *known == number)? as u8;
    match kind {
        "R" => Some(Register::Flow(number)),
        "G" => Some(Register::Global(number)),
        _ => None,
    }
}

fn operand(entry: &OperandEntry) -> Result<Operand, String> {
    match entry {
        OperandEntry::Number(number) => Ok(Operand::Number(*number)),
        OperandEntry::Name(name) if name == "now" => Ok(Operand::Now),
        OperandEntry::Name(name) => match register(name) {
            Some(register) => Ok(Operand::Register(register)),
            None => match field(name)? {
                field if field.width() > 4 => Err(format!("{field} has more than 32 bits")),
                field => Ok(Operand::Field(field)),
            },
        },
    }
}

fn condition(entry: &ConditionEntry) -> Result<Condition, String> {
    let comparison = match entry.op.as_str() {
        "==" => Comparison::Equal,
        ">" => Comparison::Greater,
        ">=" => Comparison::GreaterOrEqual,
        "<" => Comparison::Less,
        "<=" => Comparison::LessOrEqual,
        op => return Err(format!("\"{op}\" compares nothing")),
    };
    Ok(Condition { left: operand(&entry.left)?, comparison, right: operand(&entry.right)? })
}

fn update(entry: &UpdateEntry) -> Result<Update, String> {
    let operation = match entry.op.as_str() {
        "+" => Operation::Add,
        "-" => Operation::Subtract,
        ">>" => Operation::ShiftRight,
        "<<" => Operation::ShiftLeft,
        "x" | "*" => Operation::Multiply,
        op => return Err(format!("\"{op}\" is no operation")),
    };
    let to = register(&entry.to).ok_or_else(|| format!("\"{}\" is no register", entry.to))?;
    Ok(Update { to, left: operand(&entry.left)?, operation, right: operand(&entry.right)? })
}

/// A value to compare a field with: a number, an address, the name of a port.
fn value(field: Field, value: &Value, ports: &mut PortNames) -> Result<u128, String> {
    let wrong = || format!("{value} is no value of {field}");
    let number = match value {
        Value::Number(number) => number.as_u64().ok_or_else(wrong)?.into(),
        Value::String(text) => match field {
            Field::InPort => {
                check_name(text)?;
                ports.number(text).0.into()
            }
            Field::EthernetSource | Field::EthernetDestination => {
                let mac: EthernetAddress = text.parse().map_err(|()| wrong())?;
                mac.0.iter().fold(0, |number, octet| number << 8 | u128::from(*octet))
            }
            Field::Ipv4Source | Field::Ipv4Destination => {
                text.parse::<Ipv4Address>().map_err(|_| wrong())?.to_bits().into()
            }
            Field::Ipv6Source | Field::Ipv6Destination => {
                text.parse::<Ipv6Address>().map_err(|_| wrong())?.to_bits()
            }
            _ => return Err(wrong()),
        },
        _ => return Err(wrong()),
    };
    let bits = if field == Field::Vlan { 12 } else { 8 * field.width() };
    if bits < 128 && number >> bits != 0 {
        return Err(wrong());
    }
    Ok(number)
}

fn row(entry: &RowEntry, ports: &mut PortNames) -> Result<Row<'static>, String> {
    let mut conditions = [None; CONDITIONS];
    for (name, holds) in &entry.conditions {
        let place = ["c0", "c1", "c2", "c3"].iter().position(|known| known == name);
        *conditions
            .get_mut(place.unwrap_or(CONDITIONS))
            .ok_or_else(|| format!("there is no condition \"{name}\""))? = Some(*holds);
    }
    let matches = entry.matches.iter().map(|(name, wanted)| {
        let field = field(name)?;
        Ok((field, value(field, wanted, ports)?))
    });
    let matches = matches.collect::<Result<Vec<_>, String>>()?;
    let updates = entry.updates.iter().map(update).collect::<Result<Vec<_>, _>>()?;
    let action = match &entry.action {
        ActionEntry::Forward => Action::Forward,
        ActionEntry::Drop => Action::Drop,
        ActionEntry::Output(port) => {
            check_name(port)?;
            Action::Output(ports.number(port))
        }
    };
    Ok(Row {
        state: entry.state,
        matches: matches.leak(),
        conditions,
        next: entry.next,
        updates: updates.leak(),
        action,
    })
}

/// A bound in words.
fn exceeded(refused: Refused) -> String {
    match refused {
        Refused::Key => "key: the values of its fields take more than 56 bytes".to_owned(),
        Refused::Conditions => format!("conditions: at most {CONDITIONS}"),
        Refused::Rows => format!("rows: at most {ROWS}"),
        Refused::Updates => format!("rows: at most {UPDATES} updates each"),
        Refused::Matches => format!("rows: at most {MATCHES} fields each"),
        Refused::Register => format!("there are {REGISTERS} registers of a kind"),
        Refused::Wide(field) => format!("{field} has more than 32 bits"),
        Refused::Port => "too many ports".to_owned(),
    }
}

impl Service for Configuration {
    type Pipeline = Efsm<'static>;
    type Key = FlowKey;
    type State = FlowState;
    type File = File;
    const NAME: &'static str = Kind::Efsm.name();
    const FULL: &'static str = "efsm_full";
    const TELLS: bool = false;

    fn new(File { efsm: document }: File, ports: &mut PortNames) -> Result<Self, String> {
        let mut forward: Vec<(PortId, PortId)> = Vec::new();
        for (from, to) in &document.forward {
            check_name(from)?;
            check_name(to)?;
            forward.push((ports.number(from), ports.number(to)));
        }
        let key = document.key.iter().map(|name| field(name)).collect::<Result<Vec<_>, _>>()?;
        let conditions = document.conditions.iter().enumerate().map(|(number, entry)| {
            condition(entry).map_err(|message| format!("condition c{number}: {message}"))
        });
        let conditions = conditions.collect::<Result<Vec<_>, _>>()?;
        let rows = document.rows.iter().enumerate().map(|(number, entry)| {
            row(entry, ports).map_err(|message| format!("row {number}: {message}"))
        });
        let rows = rows.collect::<Result<Vec<_>, _>>()?;
        if document.max_flows as usize > MAX_CAPACITY {
            return Err(format!("max_flows: at most {MAX_CAPACITY}"));
        }
        let program = Program {
            key: key.leak(),
            conditions: conditions.leak(),
            rows: rows.leak(),
            forward: forward.leak(),
            idle_timeout: document.idle_ms,
        };
        Efsm::new(program).map_err(exceeded)?;
        let limits = Limits {
            flows: document.max_flows,
            idle_timeout: document.idle_ms,
            // Frames pass unchanged.
            mtu: u16::MAX,
            when_full: WhenFull::Drop,
            events: document.event_queue,
        };
        Ok(Self { program, limits })
    }

    fn limits(&mut self) -> &mut Limits {
        &mut self.limits
    }

    fn pipeline(&self, _seed: [u64; 2]) -> Result<Efsm<'static>, String> {
        let idle_timeout = self.limits.idle_timeout;
        Efsm::new(Program { idle_timeout, ..self.program }).map_err(|error| format!("{error:?}"))
    }

    fn configure(&self, pipeline: &mut Efsm<'static>, _seed: [u64; 2]) -> Result<(), String> {
        let idle_timeout = self.limits.idle_timeout;
        let program = Program { idle_timeout, ..self.program };
        pipeline.configure(program).map_err(|error| format!("{error:?}"))
    }

    fn counts(pipeline: &Efsm<'static>) -> [Vec<(String, u64)>; 2] {
        let drops = DropReason::ALL.map(|reason| (reason.to_string(), pipeline.drops(reason)));
        [drops.into(), Vec::new()]
    }

    fn name(&self, key: &FlowKey, ports: &PortNames) -> (Map<String, Value>, Vec<Option<u128>>) {
        let fields = self.program.key;
        let values: Vec<_> = key.values(fields).collect();
        let named = fields.iter().zip(&values);
        let named = named.map(|(field, value)| (field.to_string(), text(*field, *value, ports)));
        let mut object = Map::new();
        object.insert("key".to_owned(), Value::Object(named.collect()));
        (object, values)
    }

    fn state(state: &FlowState) -> Map<String, Value> {
        let mut object = Map::new();
        object.insert("state".to_owned(), state.state.into());
        object.insert("registers".to_owned(), state.registers.to_vec().into());
        object
    }

    fn row(&self, event: &Event, ports: &PortNames) -> [String; 3] {
        let (stage, key, action) = match event {
            Event::Key(key) => {
                let (name, _) = self.name(key, ports);
                ("key", name.get("key").unwrap_or(&Value::Null).to_string(), String::new())
            }
            Event::Row { conditions, row, before, after, globals } => (
                "row",
                format!(
                    "state {} {:?}, conditions {:?}",
                    before.state,
                    before.registers,
                    conditions.get(..self.program.conditions.len()).unwrap_or_default()
                ),
                row.map_or_else(
                    || "none applies".to_owned(),
                    |row| {
                        format!(
                            "row {row}: state {} {:?}, globals {globals:?}",
                            after.state, after.registers
                        )
                    },
                ),
            ),
        };
        [stage.to_owned(), key, action]
    }
}

/// The value of a field, as a configuration would have it.
fn text(field: Field, value: Option<u128>, ports: &PortNames) -> Value {
    let Some(value) = value else { return Value::Null };
    match field {
        Field::InPort => ports.name(PortId(value as u16)).into(),
        Field::Ipv4Source | Field::Ipv4Destination => {
            Ipv4Address::from(value as u32).to_string().into()
        }
        Field::Ipv6Source | Field::Ipv6Destination => Ipv6Address::from(value).to_string().into(),
        Field::EthernetSource | Field::EthernetDestination => {
            let [_, _, _, _, _, _, _, _, _, _, octets @ ..] = value.to_be_bytes();
            EthernetAddress(octets).to_string().into()
        }
        _ => (value as u64).into(),
    }
}
