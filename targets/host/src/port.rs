//! Ports have names on the command line and in configurations, and numbers in the library.

use dash_hal::PortId;

/// Names by number.
#[derive(Clone, Debug, Default)]
pub struct PortNames(Vec<String>);

impl PortNames {
    /// The number of `name`, which is given the next one when it is new.
    pub fn number(&mut self, name: &str) -> PortId {
        let index = self.0.iter().position(|known| known == name).unwrap_or_else(|| {
            self.0.push(name.to_owned());
            self.0.len() - 1
        });
        PortId(index as u16)
    }

    /// The name of `port`.
    #[must_use]
    pub fn name(&self, port: PortId) -> &str {
        self.0.get(usize::from(port.0)).map_or("?", String::as_str)
    }

    /// All names, in the order of numbers.
    pub fn iter(&self) -> impl Iterator<Item = (PortId, &str)> {
        self.0.iter().enumerate().map(|(index, name)| (PortId(index as u16), name.as_str()))
    }
}

/// The capture of what hosts of one run send each other.
pub const BETWEEN_HOSTS: &str = "underlay";

/// Bytes of a name at most: file systems take 255, of a whole file name.
const LONGEST: usize = 200;

/// Sees that `name` can be part of a file name.
///
/// # Errors
/// It is empty or long, begins with a dot, or has a slash or a control character.
pub fn check_name(name: &str) -> Result<(), String> {
    let bad = name.is_empty()
        || name.len() > LONGEST
        || name.starts_with('.')
        || name.contains(|character: char| "/\\=".contains(character) || character.is_control());
    if bad { Err(format!("\"{name}\" is no name of a port")) } else { Ok(()) }
}

/// Sees that `name` can be that of a host, or of a port of one of several hosts.
///
/// # Errors
/// It is no name, or has another meaning.
pub fn check_name_of_run(name: &str) -> Result<(), String> {
    if name == BETWEEN_HOSTS {
        return Err(format!("\"{name}\" is the capture of what hosts send each other"));
    }
    check_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_numbers() {
        let mut names = PortNames::default();
        assert_eq!(names.number("up"), PortId(0));
        assert_eq!(names.number("1"), PortId(1));
        assert_eq!(names.number("up"), PortId(0));
        assert_eq!(names.name(PortId(1)), "1");
        assert_eq!(names.iter().count(), 2);
    }

    #[test]
    fn names_that_would_leave_the_folder_are_refused() {
        for bad in ["", "..", ".hidden", "a/b", "a\\b", "a\0", "a=b"] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
        assert!(check_name(&"x".repeat(201)).is_err());
        assert!(check_name(&"x".repeat(200)).is_ok());
        assert!(check_name("p-1").is_ok());
    }
}
