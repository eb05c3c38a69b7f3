"""Where reports, rates and access keys are kept: the contract, and one folder for each engine."""
