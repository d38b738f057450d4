//! A file's objects, as operations on the state.

use std::sync::Arc;

use super::{
    acl::{AclBinding, AclGroup, AclRule, PrefixTag},
    fields::{Fields, Ignored},
    inert::Inert,
    key::{ApplianceId, KeyParts},
    object::{
        Appliance, Eni, EniRoute, PaValidation, Route, RouteGroup, RouteRule, RoutingActions,
        RoutingType, Underlay, UnderlayRoute, Vnet, VnetMapping,
    },
    problem::{Origin, Problem},
    state::{Change, Operation},
    text::{self, Json, duplicate},
    value::{Choice, choice},
};

/// Stages of ACL in each direction.
pub const ACL_STAGES: u32 = 5;

/// Reads a file's `text`. Every object is read; each bad one adds a problem.
pub fn read(
    file: &Arc<str>,
    text: &str,
    ignored: &mut Ignored,
    problems: &mut Vec<Problem>,
) -> Vec<Operation> {
    let objects = match text::parse(text) {
        Ok(Json::List(objects)) => objects,
        Ok(other) => {
            let message = format!("expected a list of objects, found {}", other.describe());
            problems.push(Problem::of_file(file, message));
            return Vec::new();
        }
        Err(error) => {
            problems.push(Problem::of_file(file, format!("no JSON: {error}")));
            return Vec::new();
        }
    };
    let mut operations = Vec::new();
    for (index, object) in objects.iter().enumerate() {
        match operation(file, index, object, ignored) {
            Ok(operation) => operations.extend(operation),
            Err(problem) => problems.push(problem),
        }
    }
    operations
}

/// One object; `None` when nothing acts on its kind.
fn operation(
    file: &Arc<str>,
    index: usize,
    json: &Json,
    ignored: &mut Ignored,
) -> Result<Option<Operation>, Problem> {
    const OPERATIONS: &[Choice<bool>] = &[("SET", "SET", Some(true)), ("DEL", "DEL", Some(false))];
    // Until its name is known, an object is named by its place.
    let place = Origin { file: Arc::clone(file), object: format!("object {}", index + 1).into() };
    let Json::Object(members) = json else {
        return Err(place.problem(format!("expected an object, found {}", json.describe())));
    };
    let mut named = members.iter().filter(|(name, _)| name != "OP");
    let Some((member, value)) = named.next() else {
        return Err(place.problem("has no member DASH_…_TABLE:key"));
    };
    let origin = Origin { object: member.as_str().into(), ..place };
    if let Some(name) = duplicate(members) {
        return Err(origin.field_problem(name, "stands twice"));
    }
    if let Some((other, _)) = named.next() {
        return Err(origin.problem(format!("stands in one object with {other}")));
    }
    let set = match members.iter().find(|(name, _)| name == "OP") {
        Some((_, operation)) => {
            choice(operation, OPERATIONS).map_err(|message| origin.field_problem("OP", message))?
        }
        None => true,
    };
    let Some((table, key)) = member.split_once(':') else {
        return Err(origin.problem("is no DASH_…_TABLE:key"));
    };
    let change = Reader { origin: &origin, value: set.then_some(value), ignored }
        .change(table, KeyParts::new(key))?;
    if !set && !matches!(value, Json::Object(_) | Json::List(_)) {
        let message = format!("expected an object, found {}", value.describe());
        return Err(origin.problem(message));
    }
    Ok(change.map(|change| Operation { change, origin }))
}

/// Reads one object.
struct Reader<'a> {
    origin: &'a Origin,
    /// Its fields, unless it is deleted.
    value: Option<&'a Json>,
    ignored: &'a mut Ignored,
}

impl Reader<'_> {
    /// Reads the key with `read` and sees that nothing is left of it.
    fn key<'k, T>(
        &self,
        mut parts: KeyParts<'k>,
        read: impl FnOnce(&mut KeyParts<'k>) -> Result<T, String>,
    ) -> Result<T, Problem> {
        let key = read(&mut parts).and_then(|key| parts.end().map(|()| key));
        key.map_err(|message| self.origin.problem(message))
    }

    /// Reads the fields with `read` and sees that none is left.
    fn fields<T>(
        &mut self,
        read: impl FnOnce(&mut Fields<'_>) -> Result<T, Problem>,
    ) -> Result<Option<T>, Problem> {
        let Some(json) = self.value else { return Ok(None) };
        let mut fields = Fields::new(self.origin, json, self.ignored)?;
        let value = read(&mut fields)?;
        fields.end()?;
        Ok(Some(value))
    }

    fn change(mut self, table: &str, parts: KeyParts<'_>) -> Result<Option<Change>, Problem> {
        Ok(Some(match table {
            "DASH_APPLIANCE_TABLE" => {
                let key = self.key(parts, |parts| parts.name("appliance id"))?;
                Change::Appliance(ApplianceId(key), self.fields(Appliance::read)?)
            }
            "DASH_VNET_TABLE" => {
                let key = self.key(parts, |parts| parts.name("VNET name"))?;
                Change::Vnet(key, self.fields(Vnet::read)?)
            }
            "DASH_ENI_TABLE" => {
                let key = self.key(parts, KeyParts::mac)?;
                Change::Eni(key, self.fields(Eni::read)?)
            }
            "DASH_ENI_ROUTE_TABLE" => {
                let key = self.key(parts, KeyParts::mac)?;
                Change::EniRoute(key, self.fields(EniRoute::read)?)
            }
            "DASH_ROUTE_GROUP_TABLE" => {
                let key = self.key(parts, |parts| parts.name("group id"))?;
                Change::RouteGroup(key, self.fields(RouteGroup::read)?)
            }
            "DASH_ROUTE_TABLE" => {
                let key =
                    self.key(parts, |parts| Ok((parts.name("group id")?, parts.prefix()?)))?;
                Change::Route(key, self.fields(Route::read)?)
            }
            "DASH_ROUTE_RULE_TABLE" => {
                let (eni, vni, (source, priority)) = self.key(parts, |parts| {
                    Ok((parts.mac()?, parts.vni()?, parts.source_and_priority()?))
                })?;
                let rule = self.fields(|fields| RouteRule::read(fields, priority))?;
                Change::RouteRule((eni, vni, source, priority), rule)
            }
            "DASH_ROUTING_TYPE_TABLE" => self.routing_type(parts)?,
            "DASH_VNET_MAPPING_TABLE" => {
                let key =
                    self.key(parts, |parts| Ok((parts.name("VNET name")?, parts.address()?)))?;
                Change::VnetMapping(key, self.fields(VnetMapping::read)?)
            }
            "DASH_PA_VALIDATION_TABLE" => {
                let key = self.key(parts, KeyParts::vni)?;
                Change::PaValidation(key, self.fields(PaValidation::read)?)
            }
            "DASH_ACL_GROUP_TABLE" => {
                let key = self.key(parts, |parts| parts.name("group id"))?;
                Change::AclGroup(key, self.fields(AclGroup::read)?)
            }
            "DASH_ACL_RULE_TABLE" => {
                let key = self.key(parts, |parts| {
                    Ok((parts.name("group id")?, parts.number("rule number", 0..=u32::MAX)?))
                })?;
                Change::AclRule(key, self.fields(AclRule::read)?)
            }
            "DASH_ACL_IN_TABLE" => {
                let key = self.key(parts, stage)?;
                Change::AclIn(key, self.fields(AclBinding::read)?)
            }
            "DASH_ACL_OUT_TABLE" => {
                let key = self.key(parts, stage)?;
                Change::AclOut(key, self.fields(AclBinding::read)?)
            }
            "DASH_PREFIX_TAG_TABLE" => {
                let key = self.key(parts, |parts| parts.name("tag name"))?;
                Change::PrefixTag(key, self.fields(PrefixTag::read)?)
            }
            "DASH_UNDERLAY_TABLE" => {
                let key = self.key(parts, |parts| parts.name("appliance id"))?;
                Change::Underlay(ApplianceId(key), self.fields(Underlay::read)?)
            }
            "DASH_UNDERLAY_ROUTE_TABLE" => {
                let key = self.key(parts, KeyParts::prefix)?;
                Change::UnderlayRoute(key, self.fields(UnderlayRoute::read)?)
            }
            _ => {
                let inert =
                    Inert::of(table).ok_or_else(|| self.origin.problem("is of no known table"))?;
                self.key(parts, |parts| inert.check_key(parts))?;
                self.fields(|fields| inert.check_fields(fields))?;
                self.ignored.note(self.origin, None);
                return Ok(None);
            }
        }))
    }

    fn routing_type(&mut self, parts: KeyParts<'_>) -> Result<Change, Problem> {
        let key = self.key(parts, |parts| {
            let name = Json::Text(parts.name("routing type")?);
            choice(&name, RoutingType::NAMES)
        })?;
        let actions = self
            .value
            .map(|json| RoutingActions::read(key, self.origin, json, self.ignored))
            .transpose()?;
        Ok(Change::RoutingType(key, actions))
    }
}

fn stage(parts: &mut KeyParts<'_>) -> Result<(smoltcp::wire::EthernetAddress, u32), String> {
    Ok((parts.mac()?, parts.number("stage", 1..=ACL_STAGES)?))
}
