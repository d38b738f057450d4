//! Enumerations whose members have the names of counters.

/// An enumeration with all members in `ALL`, and their names as text.
macro_rules! names {
    ($(#[$meta:meta])* $type:ident { $($(#[$doc:meta])* $variant:ident = $name:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        pub enum $type {
            $($(#[$doc])* $variant,)+
        }

        impl $type {
            /// Each once, at its place in an array of [`COUNT`](Self::COUNT) counters.
            pub const ALL: [Self; Self::COUNT] = [$(Self::$variant,)+];
            /// How many there are.
            pub const COUNT: usize = [$($name,)+].len();
        }

        impl core::fmt::Display for $type {
            fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                formatter.write_str(match self {
                    $(Self::$variant => $name,)+
                })
            }
        }
    };
}

pub(super) use names;
