//! The protocol with one rule broken.

use std::time::Duration;

use clientele::sync::merge::{Policy, Replay};
use clientele::sync::plan::{Item, Progress, Standing, Surface, Window};
use clientele::sync::push::Status;
use clientele::sync::{Protocol, Rules, Seq};

/// Which rule is broken. Most are rules of `clientele::sync`; some are of those who keep the log, or of devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    // The six of the protocol's description.
    SeqBeforeCommit,
    NoVisibleElsewhere,
    LostBoundedByTarget,
    NoDeadOnGain,
    NoRepetitions,
    NoEcho,
    // Further rules of pull.
    GainSendsOnlyChanges,
    LostTellsOnlyLive,
    CutPageMovesOn,
    StaysOnEmptyPage,
    HorizonOnFirstPageOnly,
    NoHorizon,
    SilentCounts,
    RowTwiceInPage,
    FirstPullHoldsNothing,
    // Further rules of push.
    RequestMayDiffer,
    HashCoversVersion,
    ForgottenDoneAgain,
    FailureReplayedAsDone,
    RetryLetsOthersPass,
    NoDependencies,
    NeverStale,
    ComparesVersions,
    SumsWithoutLedger,
    WholeByField,
    AnyStatusStep,
    // Of those who keep the log.
    AddedForgotten,
    RanksMove,
    RestoreKeepsEpoch,
    // Of hand-written clients.
    AnswerWritesBase,
    OverlayDropsAtAnswer,
    RebasesOnMerged,
    NamesVersionItHides,
    ElidesWhatWasSent,
    NeverSweeps,
}

impl Mutant {
    /// How many histories may be needed to notice it: most show at once; some only where two people change the same
    /// field of a row between two steps of a phone.
    pub const fn to_kill(self) -> u64 {
        match self {
            Self::AnyStatusStep
            | Self::AddedForgotten
            | Self::RebasesOnMerged
            | Self::NamesVersionItHides => 10_000,
            _ => 500,
        }
    }

    pub const ALL: &[Self] = &[
        Self::SeqBeforeCommit,
        Self::NoVisibleElsewhere,
        Self::LostBoundedByTarget,
        Self::NoDeadOnGain,
        Self::NoRepetitions,
        Self::NoEcho,
        Self::GainSendsOnlyChanges,
        Self::LostTellsOnlyLive,
        Self::CutPageMovesOn,
        Self::StaysOnEmptyPage,
        Self::HorizonOnFirstPageOnly,
        Self::NoHorizon,
        Self::SilentCounts,
        Self::RowTwiceInPage,
        Self::FirstPullHoldsNothing,
        Self::RequestMayDiffer,
        Self::HashCoversVersion,
        Self::ForgottenDoneAgain,
        Self::FailureReplayedAsDone,
        Self::RetryLetsOthersPass,
        Self::NoDependencies,
        Self::NeverStale,
        Self::ComparesVersions,
        Self::SumsWithoutLedger,
        Self::WholeByField,
        Self::AnyStatusStep,
        Self::AddedForgotten,
        Self::RanksMove,
        Self::RestoreKeepsEpoch,
        Self::AnswerWritesBase,
        Self::OverlayDropsAtAnswer,
        Self::RebasesOnMerged,
        Self::NamesVersionItHides,
        Self::ElidesWhatWasSent,
        Self::NeverSweeps,
    ];
}

/// The rules that a history runs under: the protocol, or the protocol but for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bench(pub Option<Mutant>);

impl Bench {
    pub fn breaks(self, mutant: Mutant) -> bool {
        self.0 == Some(mutant)
    }
}

/// Every step there is between two states.
const ANY_STEP: &[(&str, &str)] = &[
    ("draft", "submitted"),
    ("draft", "approved"),
    ("draft", "cancelled"),
    ("submitted", "draft"),
    ("submitted", "approved"),
    ("submitted", "cancelled"),
    ("approved", "draft"),
    ("approved", "submitted"),
    ("approved", "cancelled"),
    ("cancelled", "draft"),
    ("cancelled", "submitted"),
    ("cancelled", "approved"),
];

impl Rules for Bench {
    fn holds_nothing(&self, surface: Surface, window: &Window) -> bool {
        if self.breaks(Mutant::FirstPullHoldsNothing) {
            window.since == Seq::ZERO
        } else {
            Protocol.holds_nothing(surface, window)
        }
    }

    fn lost_until(&self, until: Seq) -> Option<Seq> {
        if self.breaks(Mutant::LostBoundedByTarget) {
            Some(until)
        } else {
            Protocol.lost_until(until)
        }
    }

    fn tells_dead_on_gain(&self, item: &Item, since: Seq) -> bool {
        !self.breaks(Mutant::NoDeadOnGain) && Protocol.tells_dead_on_gain(item, since)
    }

    fn sends_gained_whole(&self) -> bool {
        !self.breaks(Mutant::GainSendsOnlyChanges) && Protocol.sends_gained_whole()
    }

    fn tells_dead_on_loss(&self, item: &Item, since: Seq) -> bool {
        !self.breaks(Mutant::LostTellsOnlyLive) && Protocol.tells_dead_on_loss(item, since)
    }

    fn keeps_back(&self, standing: Standing) -> bool {
        !self.breaks(Mutant::NoVisibleElsewhere) && Protocol.keeps_back(standing)
    }

    fn counts_silent(&self) -> bool {
        self.breaks(Mutant::SilentCounts) || Protocol.counts_silent()
    }

    fn repeats_rows(&self) -> bool {
        self.breaks(Mutant::RowTwiceInPage) || Protocol.repeats_rows()
    }

    fn after_cut(&self, within: Progress, until: Seq) -> Progress {
        if self.breaks(Mutant::CutPageMovesOn) {
            Progress::Done(until)
        } else {
            Protocol.after_cut(within, until)
        }
    }

    fn goes_on_after_empty(&self, surface: Surface) -> bool {
        !self.breaks(Mutant::StaysOnEmptyPage) && Protocol.goes_on_after_empty(surface)
    }

    fn is_past_horizon(&self, progress: &Progress, purged: Seq) -> bool {
        match self.0 {
            Some(Mutant::NoHorizon) => false,
            Some(Mutant::HorizonOnFirstPageOnly) if matches!(progress, Progress::Within(_)) => {
                false
            }
            _ => Protocol.is_past_horizon(progress, purged),
        }
    }

    fn tells_repetitions(&self) -> bool {
        !self.breaks(Mutant::NoRepetitions) && Protocol.tells_repetitions()
    }

    fn demands_same_request(&self) -> bool {
        !self.breaks(Mutant::RequestMayDiffer) && Protocol.demands_same_request()
    }

    fn hashed_version(&self, base_version: Option<i64>) -> Option<i64> {
        if self.breaks(Mutant::HashCoversVersion) {
            base_version
        } else {
            Protocol.hashed_version(base_version)
        }
    }

    fn heeds_forgotten(&self) -> bool {
        !self.breaks(Mutant::ForgottenDoneAgain) && Protocol.heeds_forgotten()
    }

    fn replayed(&self, status: Status) -> Status {
        if self.breaks(Mutant::FailureReplayedAsDone) {
            Status::Duplicate
        } else {
            Protocol.replayed(status)
        }
    }

    fn retry_holds_back(&self) -> bool {
        !self.breaks(Mutant::RetryLetsOthersPass) && Protocol.retry_holds_back()
    }

    fn heeds_dependencies(&self) -> bool {
        !self.breaks(Mutant::NoDependencies) && Protocol.heeds_dependencies()
    }

    fn is_stale(&self, base_version: Option<i64>, version: i64) -> bool {
        !self.breaks(Mutant::NeverStale) && Protocol.is_stale(base_version, version)
    }

    fn compares_content(&self) -> bool {
        !self.breaks(Mutant::ComparesVersions) && Protocol.compares_content()
    }

    fn policy(&self, policy: Policy, replay: Replay) -> Policy {
        match (self.0, policy) {
            (Some(Mutant::SumsWithoutLedger), Policy::Additive) => policy,
            (Some(Mutant::WholeByField), Policy::Whole) => Policy::ServerWins,
            (Some(Mutant::AnyStatusStep), Policy::Status(_, further)) => {
                Protocol.policy(Policy::Status(ANY_STEP, further), replay)
            }
            _ => Protocol.policy(policy, replay),
        }
    }

    fn is_echo_due(&self, since_push: Duration) -> bool {
        !self.breaks(Mutant::NoEcho) && Protocol.is_echo_due(since_push)
    }
}
