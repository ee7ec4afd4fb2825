"""The probe: how sure teacher and warm start are of every structural step, and the λ* that follows."""
