"""retouchd: when and where.

The service that watches folders, decides when a photo is complete, has the engine retouch it and
publishes the result beside it. It holds no array library and never looks at a pixel: whatever is known of
pixels lives behind the front door of :mod:`retouch_engine`.

The floors, each importing only what lies below it (import-linter checks it)::

    __main__ → cli → app | batch | doctor → intake | dispatch
             → publish | contact | supervisor | worker | scanner | wake | roots | overrides | verdicts
             → journal | record | settle | notify | protocol → config
             → mounts | ignores | lock | log → naming → jobs → errors → text
"""
