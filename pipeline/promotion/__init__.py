"""Champion and challenger: which exported model serves, decided by measurement and kept as aliases in MLflow's registry."""
