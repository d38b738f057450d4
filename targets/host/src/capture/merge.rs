//! Several captures as one stream in time.

use super::{CaptureError, CaptureReader, Record};

/// Merges captures by timestamp.
///
/// Of equal times the capture named first goes first. A record that steps back in its file keeps
/// its place there: it waits for no other than those before it, and the clock holds.
pub struct Merge {
    sources: Vec<Source>,
}

struct Source {
    reader: CaptureReader,
    next: Option<Record>,
    /// The latest time so far of this capture, which its next record takes its turn by.
    time: u64,
}

impl Source {
    fn advance(&mut self) -> Result<Option<Record>, CaptureError> {
        let following = self.reader.next_record()?;
        self.time = following.as_ref().map_or(self.time, |record| self.time.max(record.time));
        Ok(std::mem::replace(&mut self.next, following))
    }
}

impl Merge {
    /// Reads the first record of each capture.
    ///
    /// # Errors
    /// What a reader says.
    pub fn new(readers: Vec<CaptureReader>) -> Result<Self, CaptureError> {
        let mut sources = Vec::new();
        for reader in readers {
            let mut source = Source { reader, next: None, time: 0 };
            source.advance()?;
            sources.push(source);
        }
        Ok(Self { sources })
    }

    /// The next record and the index of its capture.
    ///
    /// # Errors
    /// What a reader says.
    pub fn next_record(&mut self) -> Result<Option<(usize, Record)>, CaptureError> {
        let waiting = self.sources.iter().enumerate().filter(|(_, source)| source.next.is_some());
        // `min_by_key` answers the first of equals.
        let Some((index, _)) = waiting.min_by_key(|(_, source)| source.time) else {
            return Ok(None);
        };
        let record = self.sources[index].advance()?;
        Ok(record.map(|record| (index, record)))
    }

    /// Bytes of all captures.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.sources.iter().map(|source| source.reader.size()).sum()
    }

    /// Bytes read so far.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.sources.iter().map(|source| source.reader.position()).sum()
    }
}
