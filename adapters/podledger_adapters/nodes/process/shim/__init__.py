"""The shim: the small process that each pod runs under, and that stays when podledger goes.

Standard library only, and little of it: it is started as `python -I -S -E` and must cost neither time nor memory.
From the outside in: `spawner` forks one shim a pod on request; `pod` is the shim itself, a kubelet for one pod;
`pod_container` is a container of it, with probes (`prober`, and purely `probe`), hooks and restarts; `container` is one
run of that, `action` what a probe or hook does. Both are `supervised`: `init` is the process in each that
reaps and kills what the main process leaves behind. `record` is the pod's directory, which the node reads too:
`pod_spec` and `pod_state` are what is in it.
"""
