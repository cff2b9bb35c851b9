"""The seam with BasicSR: everything that is changed in the toolbox, and nothing else touches it.

No installed file is changed. When ``basicsr`` is imported, ``bsr_plugin/compat.py`` first makes that possible; then
``replacing.py`` binds the names of this table, by one rule: what the toolbox had is kept beside its replacement, and
a name that has been replaced is left as it is.

In every program with a ``train_pipeline`` or a ``test_pipeline`` (``basicsr.train``, ``basicsr.test``, and the running
program where it is a copy of one of them), because these look the names up in their own module:

================================ ================================ ==================================================
replaced                         by                               why; which toolbox could do without
================================ ================================ ==================================================
``EnlargedSampler``              ``sampler.ResumableSampler``     a run ends at ``total_iter`` for any batch and any
                                                                  number of ranks, and resumes inside its epoch; one
                                                                  with resumable samplers
``CPUPrefetcher``,               ``prefetch.CPUPrefetcher``,      an exception of a data set hangs the run; threads
``CUDAPrefetcher``               ``prefetch.CUDAPrefetcher``      are left behind; workers die of the signal that stops
                                                                  the training, and the training of their death; a
                                                                  batch may be overwritten while it is read; needs a
                                                                  GPU. One whose prefetchers wait for their consumer
                                                                  and forward errors
``mkdir_and_rename``             ``archive.mkdir_and_rename``     two runs of one name within a second: the second
                                                                  one ends there; one that finds a name that is free
``load_resume_state``            ``TrainingProgram``,             takes the newest state though it is damaged, from the
                                 ``resume.load_resume_state``     current folder, and asks for a GPU; one that reads
                                                                  states on the CPU and checks them
``copy_opt_file``                ``TrainingProgram``              fails if the option file is its own copy in the
                                                                  folder of the run, which a second run of the name
                                                                  may take over; one that leaves the copy as it is
                                                                  and locks the folder
``create_train_val_dataloader``, ``TrainingProgram``              what a run needs is opened before the run before it
``build_model``                                                   is archived; one that makes folders last
``MessageLogger``                ``TrainingProgram``              a validation that a run did not come to the end
                                                                  of is lost when it is resumed; one that tells in
                                                                  its states what was validated
``make_exp_dirs``,               ``EvaluationProgram``            the same for tests
``build_dataset``,
``build_model`` (test)
================================ ================================ ==================================================

In the toolbox's own modules, ``utils.misc`` with ``mkdir_and_rename`` among them; the last two only without a GPU:

================================ ================================ ==================================================
``BaseModel.model_to_device``    ``on_cpu.model_to_device``       ties a network in main memory to a GPU when there
                                                                  are several ranks; one that looks at its device
``dist_util._init_dist_*``       ``on_cpu.over_gloo``             asks for NCCL; one that asks whether there is a GPU
``dist_util.torch``              ``on_cpu.ONE_DEVICE``            every process selects a GPU; the same
================================ ================================ ==================================================

For the time of a run, by the launchers in ``basicsr/`` (``bsr_plugin/launch.py``): ``parse_options`` (options are read
safely and checked as a whole), ``build_dataset`` (BasicSR's ``PairedImageDataset`` is guarded), ``init_tb_logger``
(curves are closed however the run ends).
"""

# First, whatever module of this package is asked for: its import binds the names above.
import basicsr  # noqa: F401
