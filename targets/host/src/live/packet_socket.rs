//! A Linux interface as a port: a packet socket (`packet(7)`).
//!
//! The kernel takes the outermost VLAN tag off before such a socket sees a frame, and tells it beside
//! the frame; here it is put back.

use std::{
    ffi::CString,
    io, mem,
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
    ptr,
};

/// Bytes of the two MACs, behind which the tag belongs.
const MACS: usize = 12;
/// Room for the auxiliary data of one frame.
const CONTROL: usize = 128;

/// An interface.
#[derive(Debug)]
pub(crate) struct PacketSocket {
    fd: OwnedFd,
    buffer: Vec<u8>,
}

/// A frame that came in.
#[derive(Debug)]
pub(crate) struct Received {
    /// Its bytes.
    pub(crate) bytes: Vec<u8>,
    /// Whether it was longer.
    pub(crate) truncated: bool,
}

/// The outcome of a system call.
fn check(outcome: libc::c_int) -> io::Result<libc::c_int> {
    if outcome < 0 { Err(io::Error::last_os_error()) } else { Ok(outcome) }
}

impl PacketSocket {
    /// Opens an interface, promiscuous; frames that leave by it are not seen.
    ///
    /// # Errors
    /// It is not there, or the system refuses.
    pub(crate) fn open(interface: &str) -> io::Result<Self> {
        let name = CString::new(interface)?;
        // SAFETY: the name is a string that ends.
        let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
        let index = libc::c_int::try_from(index).ok().filter(|index| *index > 0);
        let index = index.ok_or_else(io::Error::last_os_error)?;
        let protocol = (libc::ETH_P_ALL as u16).to_be();
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        // SAFETY: no memory is handed over.
        let fd = check(unsafe { libc::socket(libc::AF_PACKET, kind, protocol.into()) })?;
        // SAFETY: the descriptor was just opened, and nobody else has it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let socket = Self { fd, buffer: vec![0; dash_core::wire::MAX_FRAME] };
        let on: libc::c_int = 1;
        socket.option(libc::PACKET_AUXDATA, &on)?;
        socket.option(libc::PACKET_IGNORE_OUTGOING, &on)?;
        let membership = libc::packet_mreq {
            mr_ifindex: index,
            mr_type: libc::PACKET_MR_PROMISC as u16,
            mr_alen: 0,
            mr_address: [0; 8],
        };
        socket.option(libc::PACKET_ADD_MEMBERSHIP, &membership)?;
        let address = libc::sockaddr_ll {
            sll_family: libc::AF_PACKET as u16,
            sll_protocol: protocol,
            sll_ifindex: index,
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 0,
            sll_addr: [0; 8],
        };
        let length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
        let address = ptr::from_ref(&address).cast();
        // SAFETY: the address lives, and is as long as it says.
        check(unsafe { libc::bind(socket.as_raw_fd(), address, length) })?;
        Ok(socket)
    }

    fn option<T>(&self, name: libc::c_int, value: &T) -> io::Result<()> {
        let (value, length) = (ptr::from_ref(value).cast(), size_of::<T>() as libc::socklen_t);
        let fd = self.as_raw_fd();
        // SAFETY: the value lives, and is as long as it says.
        check(unsafe { libc::setsockopt(fd, libc::SOL_PACKET, name, value, length) })?;
        Ok(())
    }

    /// The next frame that came in, if there is one.
    ///
    /// Of an interface that is down none comes.
    ///
    /// # Errors
    /// The system refuses.
    pub(crate) fn receive(&mut self) -> io::Result<Option<Received>> {
        let mut control = [0_u64; CONTROL / 8];
        let mut piece =
            libc::iovec { iov_base: self.buffer.as_mut_ptr().cast(), iov_len: self.buffer.len() };
        // SAFETY: all zero is a message without parts.
        let mut message: libc::msghdr = unsafe { mem::zeroed() };
        message.msg_iov = &raw mut piece;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = CONTROL as _;
        // SAFETY: buffer and control data live, and are as long as the message says.
        let length = unsafe { libc::recvmsg(self.fd.as_raw_fd(), &raw mut message, 0) };
        let Ok(length) = usize::try_from(length) else {
            let error = io::Error::last_os_error();
            let waits = [io::ErrorKind::WouldBlock, io::ErrorKind::NetworkDown];
            let waits = waits.contains(&error.kind());
            return if waits { Ok(None) } else { Err(error) };
        };
        let mut bytes = self.buffer.get(..length).unwrap_or(&self.buffer).to_vec();
        if let Some(tag) = stripped_tag(&message)
            && bytes.len() >= MACS
        {
            bytes.splice(MACS..MACS, tag);
        }
        let truncated = message.msg_flags & libc::MSG_TRUNC != 0;
        Ok(Some(Received { bytes, truncated }))
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// The system refuses: the frame is too long, or the queue of the interface full.
    pub(crate) fn send(&self, frame: &[u8]) -> io::Result<()> {
        // SAFETY: the frame lives, and is as long as it says.
        let sent = unsafe { libc::send(self.as_raw_fd(), frame.as_ptr().cast(), frame.len(), 0) };
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

impl AsRawFd for PacketSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

/// TPID and tag control information that the kernel took off.
fn stripped_tag(message: &libc::msghdr) -> Option<[u8; 4]> {
    // SAFETY: the message was filled by the kernel, with control data that live.
    let mut header = unsafe { libc::CMSG_FIRSTHDR(message) };
    // SAFETY: a header that is there lies in the control data.
    while let Some(control) = unsafe { header.as_ref() } {
        if (control.cmsg_level, control.cmsg_type) == (libc::SOL_PACKET, libc::PACKET_AUXDATA) {
            // SAFETY: behind such a header lie these data; no alignment is asked for.
            let data = unsafe {
                ptr::read_unaligned(libc::CMSG_DATA(header).cast::<libc::tpacket_auxdata>())
            };
            if data.tp_status & libc::TP_STATUS_VLAN_VALID == 0 {
                return None;
            }
            let tpid = if data.tp_status & libc::TP_STATUS_VLAN_TPID_VALID == 0 {
                libc::ETH_P_8021Q as u16
            } else {
                data.tp_vlan_tpid
            };
            let [[high, low], [control_high, control_low]] =
                [tpid, data.tp_vlan_tci].map(u16::to_be_bytes);
            return Some([high, low, control_high, control_low]);
        }
        // SAFETY: as above; the next header is within the control data, or none.
        header = unsafe { libc::CMSG_NXTHDR(message, header) };
    }
    None
}

/// Waits until one of `descriptors` can be read, or so many milliseconds.
///
/// # Errors
/// The system refuses; a signal is no error.
pub(crate) fn wait(descriptors: &[RawFd], milliseconds: u16) -> io::Result<()> {
    let poll = |fd: &RawFd| libc::pollfd { fd: *fd, events: libc::POLLIN, revents: 0 };
    let mut polled: Vec<_> = descriptors.iter().map(poll).collect();
    let count = polled.len() as libc::nfds_t;
    // SAFETY: the descriptors live, and are as many as it says.
    match check(unsafe { libc::poll(polled.as_mut_ptr(), count, milliseconds.into()) }) {
        Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
        _ => Ok(()),
    }
}
