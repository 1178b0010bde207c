"""The fusion methods: what each does around its graph, from pictures to a picture.

A method turns exposures into jobs that fill an array. Jobs come in phases: those of one phase may run at once, in any
order, and a phase begins when the one before it is done. `METHODS` lists the methods by name; `npfuse.fusion` checks
pictures and weights, and runs the jobs.
"""

from collections.abc import Mapping
from types import MappingProxyType

from npfuse.methods.deepfuse import deepfuse_phases
from npfuse.methods.mefnet import mefnet_phases
from npfuse.methods.mertens import mertens_phases
from npfuse.methods.method import Job, Method, Phases
from npfuse.methods.pair_network import pair_phases

METHODS: Mapping[str, Method] = MappingProxyType(
    {
        method.name: method
        for method in (
            Method(name="tonefuse", title="ToneFuse", phases=pair_phases, inputs={"exposures": 6}, most_exposures=2),
            Method(name="lightfuse", title="LightFuse", phases=pair_phases, inputs={"exposures": 6}, most_exposures=2),
            Method(name="t_cnn", title="T_CNN", phases=pair_phases, inputs={"exposures": 6}, most_exposures=2),
            Method(name="mertens", title="Mertens 2009", phases=mertens_phases, inputs={}, most_exposures=None),
            Method(
                name="deepfuse",
                title="DeepFuse",
                phases=deepfuse_phases,
                inputs={"under": 1, "over": 1},
                most_exposures=2,
                where="the authors' DF_model_Epoch99.npz is at https://github.com/KRamPrabhakar/DeepFuse",
            ),
            Method(
                name="mefnet",
                title="MEF-Net",
                phases=mefnet_phases,
                inputs={"luma": 1},
                most_exposures=None,
                where="the authors' MEFNet_release.pt is at https://github.com/makedede/MEFNet",
            ),
        )
    }
)

__all__ = ["METHODS", "Job", "Method", "Phases"]
