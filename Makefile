.DEFAULT_GOAL := help
# The plain backend's matrices are small: on a busy machine waiting threads cost four times the work.
export OPENBLAS_NUM_THREADS ?= 1
.PHONY: help demo chat test check

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## set up .venv with the core alone and hold a short scripted chat
	@scripts/setup
	@.venv/bin/python examples/chat.py

chat: ## talk to the embedded model
	@scripts/setup
	@.venv/bin/bartleby chat

test: ## set up .venv with everything the tests need and run the default tests
	@scripts/test

check: ## format, lint, types and the rules of the house
	@scripts/check
