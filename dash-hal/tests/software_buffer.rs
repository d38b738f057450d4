//! A buffer in memory that grows, as a port on an operating system has it.

use dash_hal::{HEADROOM, NoRoom, PacketBuffer, ReceiveMetadata, software::SoftwareBuffer};

#[test]
fn it_moves_its_edges_and_refuses_what_does_not_fit() {
    let mut buffer = SoftwareBuffer::<Vec<u8>>::grown(&[1, 2, 3], 0, ReceiveMetadata::NONE);
    assert_eq!((buffer.headroom(), buffer.tailroom()), (HEADROOM, 0));
    assert_eq!(buffer.pull_front(4), Err(NoRoom));
    assert_eq!(buffer.pull_front(1), Ok(()));
    assert_eq!(buffer.bytes(), [2, 3]);
    assert_eq!(buffer.push_front(HEADROOM + 2), Err(NoRoom));
    assert_eq!(buffer.push_front(HEADROOM + 1), Ok(()));
    assert_eq!(buffer.bytes().len(), HEADROOM + 3);
    assert_eq!(buffer.push_back(1), Err(NoRoom));
    buffer.truncate(1);
    assert_eq!(buffer.push_back(1), Ok(()));
    assert_eq!(buffer.bytes_mut().len(), 2);
    let empty = SoftwareBuffer::<Vec<u8>>::grown(&[], 1500, ReceiveMetadata::NONE);
    assert_eq!((empty.bytes().len(), empty.tailroom()), (0, 1500));
}
