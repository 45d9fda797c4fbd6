"""The shim: the small process that each pod runs under, and that stays when podledger goes.

Standard library only, and little of it: it is started as `python -I -S -E` and must cost neither time nor memory.
From the outside in: `spawner` forks one shim a pod on request; `pod` is the shim itself, a kubelet for one pod;
`container` is one run of a container as the shim sees it; `init` is the process in each container that reaps and
kills what the main process leaves behind. `record` is the pod's directory, which the node reads too.
"""
