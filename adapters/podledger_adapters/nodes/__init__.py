"""What runs pods for a local cluster: `kubelet.py` ties a node to the store, the other modules are nodes."""
