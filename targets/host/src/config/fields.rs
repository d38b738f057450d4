//! The fields of one object, each taken once.

use std::collections::BTreeMap;

use super::{
    problem::{Origin, Problem},
    text::{Json, duplicate},
    value::Parsed,
};

/// What is accepted and not acted on: one entry for each table, and for each field of a table.
#[derive(Debug, Default)]
pub struct Ignored {
    found: BTreeMap<(String, Option<&'static str>), (Origin, usize)>,
}

impl Ignored {
    /// Notes that the object's table, or one field of it, is not acted on.
    pub fn note(&mut self, origin: &Origin, field: Option<&'static str>) {
        let table = origin.object.split(':').next().unwrap_or_default().to_owned();
        let (_, count) = self.found.entry((table, field)).or_insert_with(|| (origin.clone(), 0));
        *count += 1;
    }

    /// One line for each, in the order of tables and fields.
    pub fn warnings(&self) -> impl Iterator<Item = String> {
        self.found.iter().map(|((_, field), (origin, count))| {
            let field = field.map(|field| format!("field {field}: ")).unwrap_or_default();
            let more = match count - 1 {
                0 => String::new(),
                1 => " (nor in 1 more object)".to_owned(),
                more => format!(" (nor in {more} more objects)"),
            };
            let Origin { file, object } = origin;
            format!("{file}: {object}: {field}accepted, not acted on{more}")
        })
    }
}

/// The members of one object, of which each is read by name; [`end`](Self::end) finds those that
/// nobody read.
#[derive(Debug)]
pub struct Fields<'a> {
    origin: &'a Origin,
    /// In front of the names of a nested object, for messages.
    within: String,
    members: Vec<(&'a str, &'a Json)>,
    ignored: &'a mut Ignored,
}

impl<'a> Fields<'a> {
    /// The members of the object `json`.
    ///
    /// # Errors
    /// Not an object, or a member stands twice.
    pub fn new(
        origin: &'a Origin,
        json: &'a Json,
        ignored: &'a mut Ignored,
    ) -> Result<Self, Problem> {
        Self::within(origin, "", json, ignored)
    }

    /// The members of item `index` of an object that is a list.
    ///
    /// # Errors
    /// Not an object, or a member stands twice.
    pub fn item(
        origin: &'a Origin,
        index: usize,
        json: &'a Json,
        ignored: &'a mut Ignored,
    ) -> Result<Self, Problem> {
        Self::within(origin, &format!("[{index}]."), json, ignored)
    }

    fn within(
        origin: &'a Origin,
        within: &str,
        json: &'a Json,
        ignored: &'a mut Ignored,
    ) -> Result<Self, Problem> {
        let problem = |message: String| match within.trim_end_matches('.') {
            "" => origin.problem(message),
            field => origin.field_problem(field, message),
        };
        let Json::Object(members) = json else {
            return Err(problem(format!("expected an object, found {}", json.describe())));
        };
        if let Some(name) = duplicate(members) {
            return Err(origin.field_problem(&format!("{within}{name}"), "stands twice"));
        }
        let members = members.iter().map(|(name, value)| (name.as_str(), value)).collect();
        Ok(Self { origin, within: within.to_owned(), members, ignored })
    }

    /// A problem of the field `name`.
    #[must_use]
    pub fn problem(&self, name: &str, message: impl Into<String>) -> Problem {
        self.origin.field_problem(&format!("{}{name}", self.within), message)
    }

    fn take(&mut self, name: &str) -> Option<&'a Json> {
        let index = self.members.iter().position(|(member, _)| *member == name)?;
        Some(self.members.remove(index).1)
    }

    /// The field `name`, if present.
    ///
    /// # Errors
    /// What `parse` says of it.
    pub fn optional<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&Json) -> Parsed<T>,
    ) -> Result<Option<T>, Problem> {
        let Some(json) = self.take(name) else { return Ok(None) };
        parse(json).map(Some).map_err(|message| self.problem(name, message))
    }

    /// The field `name`.
    ///
    /// # Errors
    /// It is missing, or what `parse` says of it.
    pub fn mandatory<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&Json) -> Parsed<T>,
    ) -> Result<T, Problem> {
        self.optional(name, parse)?.ok_or_else(|| self.problem(name, "is missing"))
    }

    /// The field `name`, or the older field `older` where `name` is absent; `older` is checked in
    /// any case.
    ///
    /// # Errors
    /// What `parse` says of either.
    pub fn either<T>(
        &mut self,
        name: &'static str,
        older: &'static str,
        parse: impl Fn(&Json) -> Parsed<T>,
    ) -> Result<Option<T>, Problem> {
        let (newer, older) = (self.optional(name, &parse)?, self.optional(older, &parse)?);
        Ok(newer.or(older))
    }

    /// Checks a field that is not acted on, and notes it.
    ///
    /// # Errors
    /// What `parse` says of it.
    pub fn ignored<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&Json) -> Parsed<T>,
    ) -> Result<(), Problem> {
        if self.optional(name, parse)?.is_some() {
            self.ignored.note(self.origin, Some(name));
        }
        Ok(())
    }

    /// Notes a field that was read and means nothing beside the others.
    pub fn note(&mut self, name: &'static str) {
        self.ignored.note(self.origin, Some(name));
    }

    /// The nested object `name`, read by `read`, if present.
    ///
    /// # Errors
    /// Not an object, what `read` says of it, or it has unknown members.
    pub fn nested<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Fields<'_>) -> Result<T, Problem>,
    ) -> Result<Option<T>, Problem> {
        let Some(json) = self.take(name) else { return Ok(None) };
        let within = format!("{}{name}.", self.within);
        let mut fields = Fields::within(self.origin, &within, json, self.ignored)?;
        let value = read(&mut fields)?;
        fields.end()?;
        Ok(Some(value))
    }

    /// Ends the object.
    ///
    /// # Errors
    /// A field that this kind of object does not have.
    pub fn end(self) -> Result<(), Problem> {
        match self.members.first() {
            None => Ok(()),
            Some((name, _)) => Err(self.problem(name, "is unknown")),
        }
    }
}
