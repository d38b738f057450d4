//! The faults that are planted, and the case that is meant for each.

use dash_hal::conformance::Case;

/// Declares the faults under the case that must find them.
macro_rules! plants {
    ($($case:ident { $($(#[doc = $doc:literal])? $plant:ident,)+ })+) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Plant {
            $($($(#[doc = $doc])? $plant,)+)+
        }

        pub(crate) const PLANTS: &[(Plant, Case)] = &[$($((Plant::$plant, Case::$case),)+)+];
    };
}

plants! {
    Clock {
        ClockStepsBack,
        ClockStands,
        /// A 32-bit counter that nobody extends.
        ClockWraps,
    }
    Entropy {
        SeedIsZero,
        SeedIsConstant,
        /// A short period.
        SeedRepeats,
    }
    Hash {
        HashForgetsLastWord,
        HashReadsTooFar,
        HashForgetsKey,
        HashIsUnmixed,
    }
    Checksum {
        ChecksumOddByteIsLow,
        ChecksumFoldsOnce,
        ChecksumHasNoZero,
        /// Words read from the address rounded down.
        ChecksumNeedsAlignment,
    }
    Prefetch {
        /// Of a hardware engine, whose sum it spoils.
        PrefetchDisturbs,
    }
    Load {
        LoadNeedsAlignment,
    }
    Empty {
        EmptyHasBytes,
        EmptyHasLittleHeadroom,
        EmptyHasLittleTailroom,
    }
    Events {
        EventsOverwriteOldest,
        EventsLostInSilence,
        EventsNeverRecover,
        EventsNewestFirst,
    }
    RingWrap {
        LosesOnWrap,
        ReordersOnWrap,
        DuplicatesOnWrap,
        ChangesByteOnWrap,
        StaleLengthOnWrap,
        StopsAfterWrap,
    }
    PartialTransmit {
        DropsWhenFull,
        ReversesRest,
        TellsAllTaken,
        TakesYoungestFirst,
        StaysFull,
    }
    ReceiveLimit {
        IgnoresLimit,
        LosesBeyondLimit,
        LosesBeyondRoom,
        PrependsFrames,
        TellsLimit,
    }
    Headroom {
        ReceivesWithLittleHeadroom,
        LongFramesHaveLittleHeadroom,
    }
    Edges {
        LiesInHeadroom,
        LiesInTailroom,
        PushFrontTakesWhatThereIs,
        RefusedPushFrontMoves,
        PushBackRefusesLastByte,
        RefusedPullEmpties,
        PullFrontLosesRoom,
        TruncateGrows,
        TruncateKeepsOneMore,
        PushFrontMovesBytes,
    }
    InPlace {
        SendsFromFixedOffset,
        SendsFromAlignedAddress,
        SendsReceivedLength,
    }
    Copies {
        CopyForgetsMetadata,
        CopySharesMemory,
        CopyDiesWithOriginal,
        CopyIsCutShort,
        CopyHasNoHeadroom,
    }
    OutOfBuffers {
        LeaksOnTransmit,
        LeaksOnRecycle,
        DoublesOnRecycle,
        HandsOutTwice,
        ReclaimsOnlyInTransmit,
        LeaksWhenDry,
        DeafOnceDry,
    }
    ShortFrames {
        StallsOnShort,
        ShortIsUncounted,
        ShortLeaks,
        ShortIsDropped,
        ShortIsCut,
        PadsTooMuch,
    }
    LongFrames {
        TruncatesToMtu,
        StallsOnLong,
        LongIsUncounted,
        LongLeaks,
        SendsLong,
        MtuIsTooBig,
        TagDoesNotFit,
    }
    UnknownPort {
        UnknownIsNotTaken,
        UnknownIsUncounted,
        UnknownLeaks,
        UnknownReceives,
    }
    Metadata {
        TellsFirstPort,
        TellsTruncated,
        TellsChecksumGood,
        TellsChecksumBad,
        /// Of UDP without one.
        TellsAbsentChecksumBad,
        MendsChecksum,
        TellsTagThatIsNotThere,
        StripsTagInSilence,
    }
}
