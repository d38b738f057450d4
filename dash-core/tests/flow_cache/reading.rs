//! A naive reading of the frames that the data centre and the router send, by offsets.

use dash_core::pipeline::flow_cache::DropReason;

use crate::frames::checksum;

/// What the outer headers of a frame say, and the frame inside.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outer<'f> {
    pub(crate) destination: [u8; 4],
    pub(crate) vni: u32,
    pub(crate) inside: &'f [u8],
}

/// The first check that fails, in the order of the bytes; else what is there.
pub(crate) fn outer(frame: &[u8]) -> Result<Outer<'_>, DropReason> {
    let word = |at: usize| usize::from(frame[at]) << 8 | usize::from(frame[at + 1]);
    let need = |end| if frame.len() < end { Err(DropReason::Truncated) } else { Ok(()) };
    let check = |holds, reason| if holds { Ok(()) } else { Err(reason) };
    need(14)?;
    let mut ip = 14;
    if [0x8100, 0x88a8].contains(&word(12)) {
        need(18)?;
        ip = 18;
    }
    check(word(ip - 2) == 0x0800, DropReason::NotVxlan)?;
    need(ip + 20)?;
    let (version, length) = (frame[ip] >> 4, usize::from(frame[ip] & 15) * 4);
    check(version == 4 && length >= 20, DropReason::BadIp)?;
    need(ip + length)?;
    let end = ip + word(ip + 2);
    check(ip + length <= end && end <= frame.len(), DropReason::BadIp)?;
    check(checksum(&frame[ip..ip + length]) == 0, DropReason::BadIp)?;
    let fragment = word(ip + 6) % 0x4000;
    check(frame[ip + 9] == 17 && fragment == 0, DropReason::NotVxlan)?;
    let udp = ip + length;
    check(udp + 8 <= end, DropReason::Truncated)?;
    check(word(udp + 2) == 4789, DropReason::NotVxlan)?;
    let size = word(udp + 4);
    check(size >= 16 && udp + size <= end, DropReason::BadUdp)?;
    if word(udp + 6) != 0 {
        let pseudo = [&frame[ip + 12..ip + 20], &[0, 17], &frame[udp + 4..udp + 6]].concat();
        let sum = checksum(&[&pseudo, &frame[udp..udp + size]].concat());
        check(sum == 0, DropReason::BadChecksum)?;
    }
    check(frame[udp + 8] & 8 != 0, DropReason::BadVxlan)?;
    check(size >= 30, DropReason::Truncated)?;
    Ok(Outer {
        destination: [ip + 16, ip + 17, ip + 18, ip + 19].map(|at| frame[at]),
        vni: (word(udp + 12) << 8 | usize::from(frame[udp + 14])) as u32,
        inside: &frame[udp + 16..udp + size],
    })
}
