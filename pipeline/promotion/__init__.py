"""Champion and challenger: decide by measurement which exported model is served. Aliases in MLflow record it."""
