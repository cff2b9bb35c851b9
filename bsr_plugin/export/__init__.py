"""Networks for other programs: ONNX, ``torch.export`` and safetensors files, verified before they take their place.

Each says in its metadata what it is (``weights/about.py``). spandrel loads the last kind: ``bsr_plugin/spandrel.py``.
"""
