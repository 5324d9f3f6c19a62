"""Every way the service can fail, one class each; the class writes its own one-line message.

    RetouchdError                  ends the command with ``exit_code``
    ├── ConfigMistakes             all mistakes of a configuration at once          (78)
    ├── ConfigNotFound             no configuration anywhere we look                (78)
    ├── ConfigExists               a file is there that may not be overwritten      (73)
    ├── StateDirBusy               another daemon holds the state folder            (75)
    ├── StateDirUnusable           the state folder cannot be written               (78)
    ├── JournalDamaged             the database is not one any more                 (78)
    ├── JournalTooNew              written by a later version                       (78)
    ├── JournalTooOld              the daemon has to be restarted after an update   (1)
    ├── JournalMissing             no daemon has run with this configuration yet    (1)
    ├── EngineUnavailable          the engine does not load                         (69)
    ├── PortTaken                  nothing can listen at http.listen                (69)
    ├── UnknownJob                 nothing in the journal goes by this name         (1)
    ├── JobInHand                  the photo is being worked on right now           (75)
    ├── NotWatched                 the folder is not a watched one                  (1)
    ├── NoDaemon                   only a running daemon can do it                  (1)
    ├── NothingToUndo              no result of ours lies there                     (1)
    ├── BadRequest                 the daemon does not understand what it was asked (2)
    └── JobError                   one photo's failure; the service goes on
        ├── BadName                control characters in the name
        ├── NameTooLong            no room for our suffix within 255 bytes
        ├── NameRefused            the disk of the results takes no such name
        ├── FolderMistake          a retouch.toml with mistakes                     (waits)
        ├── SourceGone             the file was removed or renamed
        ├── SourceChanged          rewritten while we worked                        (again)
        ├── TargetFull             no room where the result goes                    (waits)
        ├── TargetUnavailable      the folder does not answer                       (waits)
        ├── FolderWaits            finished results wait for that folder already    (waits)
        ├── UnsafeFolder           a symlink where our folder should be
        ├── StagedDamaged          a staged file is not what the engine wrote       (again)
        ├── WorkerDied             the worker ended in the middle of the photo
        ├── TimeLimit              the photo took too long
        ├── MemoryCeiling          the worker used more memory than it may
        ├── WorkerStuck            the worker gave no sign of life
        ├── OverBudget             the photo needs more memory than there may ever be
        ├── MemoryShort            the photo needs more memory than is free now     (waits)
        └── LoopSuspected          results of results, or one photo again and again

What only one module raises stands in that module; the model store has a tree of its own
(:mod:`retouchd.models.errors`).

Exit codes follow sysexits.h where it has a word for it: 69 unavailable, 73 cannot create, 74 input/output,
75 try later, 77 not permitted, 78 configuration. systemd does not restart after 78 (see systemd/).
"""

from retouchd.errors.base import JobError, RetouchdError
from retouchd.errors.commands import (
    BadRequest,
    ConfigExists,
    ConfigMistakes,
    ConfigNotFound,
    EngineUnavailable,
    JobInHand,
    JournalDamaged,
    JournalMissing,
    JournalTooNew,
    JournalTooOld,
    Mistake,
    NoDaemon,
    NothingToUndo,
    NotWatched,
    PortTaken,
    StateDirBusy,
    StateDirUnusable,
    UnknownJob,
)
from retouchd.errors.photos import (
    BadName,
    FolderMistake,
    FolderWaits,
    LoopSuspected,
    MemoryCeiling,
    MemoryShort,
    NameRefused,
    NameTooLong,
    OverBudget,
    SourceChanged,
    SourceGone,
    StagedDamaged,
    TargetFull,
    TargetUnavailable,
    TimeLimit,
    UnsafeFolder,
    WorkerDied,
    WorkerStuck,
)

__all__ = [
    "BadName",
    "BadRequest",
    "ConfigExists",
    "ConfigMistakes",
    "ConfigNotFound",
    "EngineUnavailable",
    "FolderMistake",
    "FolderWaits",
    "JobError",
    "JobInHand",
    "JournalDamaged",
    "JournalMissing",
    "JournalTooNew",
    "JournalTooOld",
    "LoopSuspected",
    "MemoryCeiling",
    "MemoryShort",
    "Mistake",
    "NameRefused",
    "NameTooLong",
    "NoDaemon",
    "NotWatched",
    "NothingToUndo",
    "OverBudget",
    "PortTaken",
    "RetouchdError",
    "SourceChanged",
    "SourceGone",
    "StagedDamaged",
    "StateDirBusy",
    "StateDirUnusable",
    "TargetFull",
    "TargetUnavailable",
    "TimeLimit",
    "UnknownJob",
    "UnsafeFolder",
    "WorkerDied",
    "WorkerStuck",
]
