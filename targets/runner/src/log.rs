//! What the machine prints: defmt frames on its standard output, text on its standard error.

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader, Read},
    process::{Child, ChildStdout},
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};

use defmt_decoder::{DecodeError, Table};
use object::{
    Endianness, Object, ObjectSection, elf,
    pod::slice_from_bytes_mut,
    read::elf::{ElfFile64, SectionHeader},
};

/// Lines that are kept for an error.
const LINES: usize = 40;

/// Threads that read what a machine prints, and its last lines.
#[derive(Debug)]
pub struct Log {
    lines: Arc<Mutex<Lines>>,
    readers: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Lines {
    last: VecDeque<String>,
    show: bool,
}

impl Lines {
    fn push(lines: &Mutex<Self>, line: String) {
        let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.show {
            eprintln!("firmware: {line}");
        }
        if lines.last.len() == LINES {
            lines.last.pop_front();
        }
        lines.last.push_back(line);
    }
}

impl Log {
    /// Reads what `child` prints, whose image has this table. With `show` each line is printed.
    pub fn of(child: &mut Child, table: Option<Table>, show: bool) -> Self {
        let lines = Arc::new(Mutex::new(Lines { last: VecDeque::new(), show }));
        let mut readers = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            let lines = Arc::clone(&lines);
            readers.push(std::thread::spawn(move || frames(stdout, table.as_ref(), &lines)));
        }
        if let Some(stderr) = child.stderr.take() {
            let lines = Arc::clone(&lines);
            readers.push(std::thread::spawn(move || text(stderr, &lines)));
        }
        Self { lines, readers }
    }

    /// The last lines, once the machine has ended.
    pub fn last(&mut self) -> Vec<String> {
        self.join();
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.last.iter().cloned().collect()
    }

    fn join(&mut self) {
        for reader in self.readers.drain(..) {
            // A reader that panicked has told it.
            let _ = reader.join();
        }
    }
}

impl Drop for Log {
    /// All lines are shown, once the machine has ended.
    fn drop(&mut self) {
        self.join();
    }
}

/// The meaning of the log frames of an image; `None`: it has none.
///
/// # Errors
/// The image is damaged, or of another version of defmt.
pub fn table(elf: &[u8]) -> Result<Option<Table>, String> {
    let short = with_short_addresses(elf);
    Table::parse(short.as_deref().unwrap_or(elf))
        .map_err(|error| format!("the image's log frames: {error}"))
}

/// A log frame names its text by the low 16 bits of the address of a symbol, and the decoder takes
/// the whole address: symbols that the linker had to put higher, because code does not reach so far
/// down, are moved down. Only images of 64 bits have such.
fn with_short_addresses(image: &[u8]) -> Option<Vec<u8>> {
    let file = ElfFile64::<Endianness>::parse(image).ok()?;
    let endian = file.endian();
    let section = elf::SymbolSection(file.section_by_name(".defmt")?.index().0 as u16);
    let mut tables = file.elf_section_table().iter();
    let table = tables.find(|section| section.sh_type(endian) == elf::SHT_SYMTAB)?;
    let (offset, size) = table.file_range(endian)?;
    let mut image = image.to_vec();
    let bytes = image.get_mut(offset as usize..)?;
    let count = size as usize / size_of::<elf::Sym64<Endianness>>();
    let (symbols, _) = slice_from_bytes_mut::<elf::Sym64<Endianness>>(bytes, count).ok()?;
    for symbol in symbols {
        if symbol.st_shndx.get(endian) == section {
            let address = symbol.st_value.get(endian);
            symbol.st_value.set(endian, address & u64::from(u16::MAX));
        }
    }
    Some(image)
}

/// Decodes log frames up to the end of `stdout`.
fn frames(stdout: ChildStdout, table: Option<&Table>, lines: &Mutex<Lines>) {
    let Some(table) = table else { return text(stdout, lines) };
    let mut decoder = table.new_stream_decoder();
    let mut stdout = BufReader::new(stdout);
    loop {
        let length = match stdout.fill_buf() {
            Ok([]) | Err(_) => return,
            Ok(bytes) => {
                decoder.received(bytes);
                bytes.len()
            }
        };
        stdout.consume(length);
        loop {
            match decoder.decode() {
                Ok(frame) => Lines::push(lines, frame.display(false).to_string()),
                Err(DecodeError::UnexpectedEof) => break,
                Err(DecodeError::Malformed) if table.encoding().can_recover() => {
                    Lines::push(lines, "(a damaged log frame)".to_owned());
                }
                Err(DecodeError::Malformed) => {
                    Lines::push(lines, "(a damaged log frame, and the rest)".to_owned());
                    // Whoever writes must not wait for a reader.
                    let _ = std::io::copy(&mut stdout, &mut std::io::sink());
                    return;
                }
            }
        }
    }
}

/// Takes each line up to the end of `stream`.
fn text(stream: impl Read, lines: &Mutex<Lines>) {
    for line in BufReader::new(stream).split(b'\n') {
        let Ok(line) = line else { return };
        Lines::push(lines, String::from_utf8_lossy(&line).into_owned());
    }
}
