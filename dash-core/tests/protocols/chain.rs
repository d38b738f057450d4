//! The publication of configurations of service chains.
use super::{
    explore, one_reader,
    publication::{Publication, Side},
    words,
};
use loom::{
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    thread,
};

type Image = &'static [AtomicU32];

/// Version 0 counts. An image is a version and its complement.
fn images() -> [Image; 2] {
    let (first, second) = words(4).split_at(2);
    write(first, 0);
    [first, second]
}

fn write(image: Image, version: u32) {
    image[0].store(version, Relaxed);
    image[1].store(!version, Relaxed);
}

/// The version that is seen, whole.
fn version(image: Image) -> u32 {
    let version = image[0].load(Relaxed);
    assert_eq!(image[1].load(Relaxed), !version, "an image of two versions");
    version
}

/// The third configuration needs the memory of the first.
#[test]
fn a_burst_sees_one_configuration_and_never_an_older_one_again() {
    explore(3, || {
        let (images, readers) = (images(), one_reader());
        let mut publication = Publication::new(&words(1)[0], readers);
        let epoch = publication.epoch();
        let reader = thread::spawn(move || {
            let mut last = 0;
            for _ in 0..2 {
                let now = epoch.now();
                let seen = version(Side::at(now).of(images));
                assert_eq!(seen, now, "the image of this epoch");
                assert!(seen >= last);
                last = seen;
                readers.quiescent(0);
            }
        });
        let mut published = 0;
        for _ in 0..2 {
            // Refused as long as the reader may still look at it.
            let Ok(spare) = publication.spare() else { continue };
            published += 1;
            write(spare.of(images), published);
            publication.publish();
        }
        reader.join().unwrap();
        assert_eq!(version(publication.newest().of(images)), published);
    });
}

#[test]
fn who_sees_the_epoch_of_a_change_sees_the_change() {
    explore(3, || {
        let publication = Publication::new(&words(1)[0], one_reader());
        let epoch = publication.epoch();
        let health = &words(1)[0];
        let reader = thread::spawn(move || {
            let now = epoch.now();
            assert_eq!(Side::at(now), Side::First);
            assert!(now == 0 || health.load(Relaxed) == 1);
        });
        health.store(1, Relaxed);
        publication.touch();
        reader.join().unwrap();
    });
}
