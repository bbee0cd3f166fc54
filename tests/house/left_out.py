"""Published names that are left out, each with its reason; a pattern that covers nothing is a mistake."""

_ADAPTERS = "adapters belong to the peft library, which wraps a model from outside (`get_peft_model`)"
_SPLITTING = "splitting one model over several devices: every model of the family fits on one"
_SERVING = "that library's own server of continuous batches"
_CODE = "would run code that a checkpoint brings along"
_LOADING = "a step inside that library's own loading and saving"
_OTHER_MODELS = "serves other kinds of models: rotary positions, layers that differ, several towers, experts"
_DATACLASS = "how that library declares and checks a config; here `Config.validate()` checks all of it"
_HEADLESS = "decoding is a method of the models that have a language head; version 5 agrees"

_ONE_GRAPH = "a step of that library's `generate`, which here is one graph: its options choose between searches"
_KERAS_2 = "an inner name of Keras 2 that Keras 3 no longer has"

LEFT_OUT: dict[str, str] = {
    # adapters, kernels, hub cards
    "*adapter*": _ADAPTERS,
    "*peft*": _ADAPTERS,
    "*bettertransformer": "BetterTransformer was retired by PyTorch and by that library; attention is fused already",
    "*.*model_tags": "tags of hub model cards",
    "*.*use_kernels": "swaps in compiled kernels fetched from the hub",
    "*.dequantize": "undoes that library's quantization, which is not here",
    "*memory_hooks*": "test hooks of that library's benchmark, long retired",
    # several devices, servers
    "*_plan": _SPLITTING,
    "*.tp_size": _SPLITTING,
    "*.fsdp_size": _SPLITTING,
    "*.is_parallelizable": _SPLITTING,
    "*.init_parallel_plans": _SPLITTING,
    "*.supports_context_parallel": _SPLITTING,
    "*distribute*": _SPLITTING,
    "*sharded_state_dict_for_save": _SPLITTING,
    "*.barrier_after_gathered_checkpoint_save": _SPLITTING,
    "*.should_save_on_this_rank": _SPLITTING,
    "*continuous_batching*": _SERVING,
    "*.generate_batch": _SERVING,
    # code of checkpoints
    "*custom_generate*": _CODE,
    "*.adjust_generation_fn": _CODE,
    "*.is_custom_code": _CODE,
    "*.is_remote_code": _CODE,
    # other models
    "*rope*": _OTHER_MODELS,
    "*.default_theta": _OTHER_MODELS,
    "*per_layer*": _OTHER_MODELS,
    "*.is_heterogeneous": _OTHER_MODELS,
    "*.validate_layer_type": _OTHER_MODELS,
    "*.get_mtp_config": _OTHER_MODELS,
    "*experts_implementation": _OTHER_MODELS,
    "*Config.sub_configs*": _OTHER_MODELS,
    "*Config.base_config_key": _OTHER_MODELS,
    "*put_modalities": _OTHER_MODELS,
    "*(fusion_config)": _OTHER_MODELS,
    # declaring configs
    "*Config.default_config_fields": _DATACLASS,
    "*Config.validate_*": _DATACLASS,
    "*Config.extra*_files": "files of that library's own that travel with a config; there are none in this family",
    "*Config.transformers_version": "the release that wrote a file; this library stamps `bartleby_version` instead",
    # loading and saving from inside
    "*.get_init_context": _LOADING,
    "*.get_correct_attn_implementation": _LOADING,
    "*.get_expanded_tied_weights_keys": _LOADING,
    "*.mark_tied_weights_as_initialized": _LOADING,
    "*.initialize_weights": _LOADING,
    "*.named_non_persistent_buffers": _LOADING,
    "*.get_parameter_or_buffer": _LOADING,
    "*.retrieve_modules_from_names": _LOADING,
    "*.is_backend_compatible": _LOADING,
    "*.can_record_outputs": "how that library collects attentions and hidden states",
    "*(save_original_format)": _LOADING,
    "*.convert_to_native_format": _LOADING,
    # details of other ways
    "*.loss_function": "the loss is part of each `forward`; another one is computed from its logits",
    "*.get_compiled_call": "how that library compiles decoding steps; here `torch.compile` takes the model itself",
    "*.heal_tokens": "token healing rewrites a prompt's last word; a source text has no word to go on with",
    "*.parse_response": "reads thoughts and tool calls out of a reply, which no checkpoint of this family writes",
    "*.get_response_parser": "reads thoughts and tool calls out of a reply, which no checkpoint of this family writes",
    "*ForCausalLM.set_encoder": "a causal model has no encoder",
    # TensorFlow
    **{
        f"TF*.{name}": _KERAS_2
        for name in (
            "autotune_steps_per_execution",
            "dynamic",
            "inbound_nodes",
            "outbound_nodes",
            "input_mask",
            "output_mask",
            "input_shape",
            "output_shape",
            "name_scope",
            "with_name_scope",
            "state_updates",
            "stateful",
            "submodules",
            "updates",
        )
    },
    "TF*(load_weight_prefix)": "a name scope of Keras 2 for models inside models; Keras 3 needs none",
    "TF*.tf_to_pt_weight_rename": _LOADING,
    "TF*.greedy_search": _ONE_GRAPH,
    "TF*.sample": _ONE_GRAPH,
    "TF*.beam_search": _ONE_GRAPH,
    "TF*.contrastive_search": "compiled search has no contrastive one; PyTorch's `generate` has",
    "TF*.seed_generator": "the generator of that library's own sampling; here `seed=` or `tf.random.set_seed` decides",
    "TF*.create_model_card": "tags of hub model cards",
    "TF*.load_repo_checkpoint": "fetches a half-trained state from the hub; Keras' own `BackupAndRestore` keeps one",
    # decoding without a head
    **{
        f"*{head}.{name}*": _HEADLESS
        for head in ("Model", "ForSequenceClassification", "ForQuestionAnswering")
        for name in (
            "generate",
            "prepare_inputs_for_generation",
            "compute_transition_scores",
            "greedy_search",
            "sample",
            "beam_search",
            "beam_sample",
            "group_beam_search",
            "contrastive_search",
            "constrained_beam_search",
            "assisted_decoding",
        )
    },
}
