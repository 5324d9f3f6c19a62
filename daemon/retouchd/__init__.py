"""retouchd: when and where.

The service that watches folders, decides when a photo is complete, has the engine retouch it and
publishes the result beside it. It holds no array library and never looks at a pixel: whatever is known of
pixels lives behind the front door of :mod:`retouch_engine`.

The floors, each importing only what lies below it (import-linter checks it, and the order within each
room)::

    __main__ → cli → edit | proposals → app | batch | doctor | service
             → web → watch | work → actions | control | hooks | notify | signals
             → results → models → state → config
             → ours → ignores | log | mounts → naming → jobs → errors → text
"""
