"""Whether the predicted scale wins a sweep of trainings."""
