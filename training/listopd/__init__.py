"""ListOPD: on-policy distillation for answers that must keep a contract."""
