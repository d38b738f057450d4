//! Reads one capture, record by record.

use std::{fs::File, path::Path};

use pcap_parser::{
    Block, InterfaceDescriptionBlock, Linktype, OptionCode, PcapBlockOwned, PcapError,
    create_reader,
    traits::{PcapNGPacketBlock, PcapReaderIterator},
};

use super::{CaptureError, Record};

/// Bytes read at a time.
const BUFFER: usize = 1 << 18;
/// Bytes of the longest block; a longer one is taken for a damaged length.
const LONGEST: usize = 1 << 26;

const NANOSECONDS: u64 = 1_000_000_000;
/// The last time that an output capture can hold: its seconds have 32 bits.
const LATEST: u64 = u32::MAX as u64 * NANOSECONDS + (NANOSECONDS - 1);

/// Streams the records of one file; memory does not grow with the file.
pub struct CaptureReader {
    path: String,
    reader: Box<dyn PcapReaderIterator + Send>,
    capacity: usize,
    format: Format,
    time: u64,
    size: u64,
}

/// What the headers said.
enum Format {
    Legacy { nanoseconds: bool },
    Sections { big_endian: bool, interfaces: Vec<Interface> },
}

/// One interface of a pcapng section.
#[derive(Clone, Copy)]
struct Interface {
    linktype: Linktype,
    snap_length: u32,
    resolution: u8,
    /// Seconds added to each timestamp.
    offset: i64,
}

/// What one block gave.
enum Step {
    Skip,
    Record(Record),
}

impl CaptureReader {
    /// Opens `path` and reads its header.
    ///
    /// # Errors
    /// The file cannot be read, or is no capture.
    pub fn open(path: &Path) -> Result<Self, CaptureError> {
        let name = path.display().to_string();
        let io = |source| CaptureError::Io { path: name.clone(), source };
        let file = File::open(path).map_err(io)?;
        let metadata = file.metadata().map_err(io)?;
        if metadata.is_dir() {
            return Err(io(std::io::ErrorKind::IsADirectory.into()));
        }
        let reader = create_reader(BUFFER, file).map_err(|error| CaptureError::Format {
            path: name.clone(),
            message: match error {
                PcapError::Eof | PcapError::Incomplete(_) | PcapError::HeaderNotRecognized => {
                    "is neither pcap nor pcapng".to_owned()
                }
                other => describe(&other),
            },
        })?;
        Ok(Self {
            path: name,
            reader,
            capacity: BUFFER,
            format: Format::Legacy { nanoseconds: false },
            time: 0,
            size: metadata.len(),
        })
    }

    /// Bytes of the file.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Bytes read so far.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.reader.consumed() as u64
    }

    fn problem(&self, message: impl Into<String>) -> CaptureError {
        CaptureError::Format { path: self.path.clone(), message: message.into() }
    }

    /// The next record; `None` at the end.
    ///
    /// # Errors
    /// The file cannot be read, is damaged, or holds frames that are not Ethernet.
    pub fn next_record(&mut self) -> Result<Option<Record>, CaptureError> {
        loop {
            let next = match self.reader.next() {
                Ok((length, block)) => {
                    let step = self.format.block(&block, self.time);
                    Ok((length, step))
                }
                Err(error) => Err(match error {
                    PcapError::Eof => return Ok(None),
                    PcapError::Incomplete(_) => Refill::Read,
                    PcapError::BufferTooSmall => Refill::Grow,
                    other => Refill::Fail(describe(&other)),
                }),
            };
            match next {
                Ok((length, step)) => {
                    self.reader.consume(length);
                    match step.map_err(|message| self.problem(message))? {
                        Step::Skip => {}
                        Step::Record(record) => {
                            self.time = record.time;
                            return Ok(Some(record));
                        }
                    }
                }
                Err(Refill::Read) => self.refill()?,
                Err(Refill::Grow) => {
                    self.capacity *= 2;
                    if self.capacity > LONGEST || !self.reader.grow(self.capacity) {
                        return Err(self.problem("is damaged: a record of impossible length"));
                    }
                    self.refill()?;
                }
                Err(Refill::Fail(message)) => return Err(self.problem(message)),
            }
        }
    }

    fn refill(&mut self) -> Result<(), CaptureError> {
        let failed = self.reader.refill().err().map(|error| describe(&error));
        failed.map_or(Ok(()), |message| Err(self.problem(message)))
    }
}

/// Why there was no block.
enum Refill {
    Read,
    Grow,
    Fail(String),
}

fn describe(error: &PcapError<&[u8]>) -> String {
    match error {
        PcapError::UnexpectedEof => "ends in the middle of a record".to_owned(),
        PcapError::ReadError => "cannot be read".to_owned(),
        PcapError::NomError(_, kind) | PcapError::OwnedNomError(_, kind) => {
            format!("is damaged ({kind:?})")
        }
        other => other.to_string(),
    }
}

impl Format {
    /// Takes in one block; `last` is the time of the record before it.
    fn block(&mut self, block: &PcapBlockOwned<'_>, last: u64) -> Result<Step, String> {
        match block {
            PcapBlockOwned::LegacyHeader(header) => {
                ethernet(header.network)?;
                *self = Self::Legacy { nanoseconds: header.is_nanosecond_precision() };
                Ok(Step::Skip)
            }
            PcapBlockOwned::Legacy(block) => {
                let Self::Legacy { nanoseconds } = self else {
                    return Err("mixes pcap and pcapng".to_owned());
                };
                let fraction = u64::from(block.ts_usec) * if *nanoseconds { 1 } else { 1000 };
                Ok(Step::Record(Record {
                    time: u64::from(block.ts_sec) * NANOSECONDS + fraction,
                    bytes: block.data.to_vec(),
                    truncated: block.origlen > block.caplen,
                }))
            }
            PcapBlockOwned::NG(block) => self.section_block(block, last),
        }
    }

    fn section_block(&mut self, block: &Block<'_>, last: u64) -> Result<Step, String> {
        if let Block::SectionHeader(header) = block {
            *self = Self::Sections { big_endian: header.big_endian(), interfaces: Vec::new() };
            return Ok(Step::Skip);
        }
        let Self::Sections { big_endian, interfaces } = self else {
            return Err("has a block before its section header".to_owned());
        };
        let interface = |id: u32| {
            let interface = usize::try_from(id).ok().and_then(|id| interfaces.get(id));
            let interface = *interface.ok_or("has a packet of an unknown interface")?;
            ethernet(interface.linktype)?;
            Ok::<_, String>(interface)
        };
        match block {
            Block::InterfaceDescription(block) => {
                interfaces.push(Interface::new(block, *big_endian));
                Ok(Step::Skip)
            }
            Block::EnhancedPacket(block) => {
                let interface = interface(block.if_id)?;
                let ticks = u64::from(block.ts_high) << 32 | u64::from(block.ts_low);
                Ok(Step::Record(Record {
                    time: interface.time(ticks).ok_or("has a timestamp out of range")?,
                    bytes: block.packet_data().to_vec(),
                    truncated: block.origlen > block.caplen,
                }))
            }
            Block::SimplePacket(block) => {
                let interface = interface(0)?;
                let mut bytes = block.packet_data();
                if interface.snap_length != 0 {
                    let captured = bytes.len().min(interface.snap_length as usize);
                    bytes = &bytes[..captured];
                }
                Ok(Step::Record(Record {
                    time: last,
                    bytes: bytes.to_vec(),
                    truncated: (block.origlen as usize) > bytes.len(),
                }))
            }
            // Its successor is over twenty years old; skipping it would lose frames silently.
            Block::Unknown(block) if block.block_type == 2 => {
                Err("has an obsolete Packet Block".to_owned())
            }
            _ => Ok(Step::Skip),
        }
    }
}

fn ethernet(linktype: Linktype) -> Result<(), String> {
    if linktype == Linktype::ETHERNET {
        Ok(())
    } else {
        Err(format!("holds frames of link type {}, not Ethernet (1)", linktype.0))
    }
}

impl Interface {
    fn new(block: &InterfaceDescriptionBlock<'_>, big_endian: bool) -> Self {
        let offset = block.options.iter().find(|option| option.code == OptionCode::IfTsoffset);
        let offset =
            offset.and_then(|option| option.value().first_chunk::<8>()).map_or(0, |bytes| {
                if big_endian { i64::from_be_bytes(*bytes) } else { i64::from_le_bytes(*bytes) }
            });
        Self {
            linktype: block.linktype,
            snap_length: block.snaplen,
            resolution: block.if_tsresol,
            offset,
        }
    }

    /// Nanoseconds since 1970 of a timestamp in units of the interface: 10⁻ⁿ seconds, or 2⁻ⁿ when
    /// the highest bit of the resolution is set.
    fn time(&self, ticks: u64) -> Option<u64> {
        let exponent = u32::from(self.resolution & 0x7f);
        let ticks = u128::from(ticks);
        let nanoseconds = if self.resolution & 0x80 != 0 {
            (ticks * u128::from(NANOSECONDS)).checked_shr(exponent).unwrap_or(0)
        } else if exponent <= 9 {
            ticks * 10_u128.pow(9 - exponent)
        } else {
            10_u128.checked_pow(exponent - 9).map_or(0, |divisor| ticks / divisor)
        };
        let offset = i128::from(self.offset) * i128::from(NANOSECONDS);
        let time = u64::try_from(i128::try_from(nanoseconds).ok()? + offset).ok()?;
        (time <= LATEST).then_some(time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(resolution: u8, offset: i64) -> Interface {
        Interface { linktype: Linktype::ETHERNET, snap_length: 0, resolution, offset }
    }

    #[test]
    fn every_resolution_gives_nanoseconds() {
        assert_eq!(interface(6, 0).time(1_500_000), Some(1_500_000_000));
        assert_eq!(interface(9, 0).time(1_500_000_001), Some(1_500_000_001));
        assert_eq!(interface(0, 0).time(3), Some(3_000_000_000));
        assert_eq!(interface(12, 0).time(1_999), Some(1));
        assert_eq!(interface(0x80 | 0x0a, 0).time(1536), Some(1_500_000_000));
        assert_eq!(interface(0x80 | 0x7f, 0).time(u64::MAX), Some(0));
        assert_eq!(interface(9, 2).time(1), Some(2_000_000_001));
        assert_eq!(interface(9, -2).time(1), None);
        assert_eq!(interface(0, 0).time(u64::MAX), None);
        assert_eq!(interface(9, 0).time(LATEST), Some(LATEST));
        assert_eq!(interface(9, 0).time(LATEST + 1), None);
    }
}
