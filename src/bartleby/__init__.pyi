# The public names of the package and where each comes from: read by type checkers and editors, and by __init__.py.

from tokenizers import AddedToken as AddedToken

from bartleby.backends import open_backend as open_backend
from bartleby.backends.flax.auto import FLAX_MODEL_FOR_CAUSAL_LM_MAPPING as FLAX_MODEL_FOR_CAUSAL_LM_MAPPING
from bartleby.backends.flax.auto import FLAX_MODEL_FOR_MASKED_LM_MAPPING as FLAX_MODEL_FOR_MASKED_LM_MAPPING
from bartleby.backends.flax.auto import FLAX_MODEL_FOR_PRETRAINING_MAPPING as FLAX_MODEL_FOR_PRETRAINING_MAPPING
from bartleby.backends.flax.auto import (
    FLAX_MODEL_FOR_QUESTION_ANSWERING_MAPPING as FLAX_MODEL_FOR_QUESTION_ANSWERING_MAPPING,
)
from bartleby.backends.flax.auto import (
    FLAX_MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING as FLAX_MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING,
)
from bartleby.backends.flax.auto import (
    FLAX_MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING as FLAX_MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
)
from bartleby.backends.flax.auto import FLAX_MODEL_MAPPING as FLAX_MODEL_MAPPING
from bartleby.backends.flax.auto import FLAX_MODEL_WITH_LM_HEAD_MAPPING as FLAX_MODEL_WITH_LM_HEAD_MAPPING
from bartleby.backends.flax.auto import FlaxAutoModel as FlaxAutoModel
from bartleby.backends.flax.auto import FlaxAutoModelForCausalLM as FlaxAutoModelForCausalLM
from bartleby.backends.flax.auto import FlaxAutoModelForMaskedLM as FlaxAutoModelForMaskedLM
from bartleby.backends.flax.auto import FlaxAutoModelForPreTraining as FlaxAutoModelForPreTraining
from bartleby.backends.flax.auto import FlaxAutoModelForQuestionAnswering as FlaxAutoModelForQuestionAnswering
from bartleby.backends.flax.auto import FlaxAutoModelForSeq2SeqLM as FlaxAutoModelForSeq2SeqLM
from bartleby.backends.flax.auto import FlaxAutoModelForSequenceClassification as FlaxAutoModelForSequenceClassification
from bartleby.backends.flax.auto import FlaxAutoModelWithLMHead as FlaxAutoModelWithLMHead
from bartleby.backends.flax.decoding.generation_outputs import FlaxBeamSearchOutput as FlaxBeamSearchOutput
from bartleby.backends.flax.decoding.generation_outputs import FlaxGreedySearchOutput as FlaxGreedySearchOutput
from bartleby.backends.flax.decoding.generation_outputs import FlaxSampleOutput as FlaxSampleOutput
from bartleby.backends.flax.generation import FlaxGenerationMixin as FlaxGenerationMixin
from bartleby.backends.flax.models import FlaxBartDecoderPreTrainedModel as FlaxBartDecoderPreTrainedModel
from bartleby.backends.flax.models import FlaxBartForCausalLM as FlaxBartForCausalLM
from bartleby.backends.flax.models import FlaxBartForConditionalGeneration as FlaxBartForConditionalGeneration
from bartleby.backends.flax.models import FlaxBartForQuestionAnswering as FlaxBartForQuestionAnswering
from bartleby.backends.flax.models import FlaxBartForSequenceClassification as FlaxBartForSequenceClassification
from bartleby.backends.flax.models import FlaxBartModel as FlaxBartModel
from bartleby.backends.flax.models import FlaxBartPreTrainedModel as FlaxBartPreTrainedModel
from bartleby.backends.flax.models import FlaxBlenderbotForCausalLM as FlaxBlenderbotForCausalLM
from bartleby.backends.flax.models import (
    FlaxBlenderbotForConditionalGeneration as FlaxBlenderbotForConditionalGeneration,
)
from bartleby.backends.flax.models import FlaxBlenderbotModel as FlaxBlenderbotModel
from bartleby.backends.flax.models import FlaxBlenderbotPreTrainedModel as FlaxBlenderbotPreTrainedModel
from bartleby.backends.flax.models import FlaxBlenderbotSmallForCausalLM as FlaxBlenderbotSmallForCausalLM
from bartleby.backends.flax.models import (
    FlaxBlenderbotSmallForConditionalGeneration as FlaxBlenderbotSmallForConditionalGeneration,
)
from bartleby.backends.flax.models import FlaxBlenderbotSmallModel as FlaxBlenderbotSmallModel
from bartleby.backends.flax.models import FlaxBlenderbotSmallPreTrainedModel as FlaxBlenderbotSmallPreTrainedModel
from bartleby.backends.flax.outputs import FlaxBaseModelOutput as FlaxBaseModelOutput
from bartleby.backends.flax.outputs import (
    FlaxBaseModelOutputWithPastAndCrossAttentions as FlaxBaseModelOutputWithPastAndCrossAttentions,
)
from bartleby.backends.flax.outputs import (
    FlaxCausalLMOutputWithCrossAttentions as FlaxCausalLMOutputWithCrossAttentions,
)
from bartleby.backends.flax.outputs import FlaxSeq2SeqLMOutput as FlaxSeq2SeqLMOutput
from bartleby.backends.flax.outputs import FlaxSeq2SeqModelOutput as FlaxSeq2SeqModelOutput
from bartleby.backends.flax.outputs import (
    FlaxSeq2SeqQuestionAnsweringModelOutput as FlaxSeq2SeqQuestionAnsweringModelOutput,
)
from bartleby.backends.flax.outputs import FlaxSeq2SeqSequenceClassifierOutput as FlaxSeq2SeqSequenceClassifierOutput
from bartleby.backends.flax.pretrained import FlaxPreTrainedModel as FlaxPreTrainedModel
from bartleby.backends.keras.auto import TF_MODEL_FOR_CAUSAL_LM_MAPPING as TF_MODEL_FOR_CAUSAL_LM_MAPPING
from bartleby.backends.keras.auto import TF_MODEL_FOR_MASKED_LM_MAPPING as TF_MODEL_FOR_MASKED_LM_MAPPING
from bartleby.backends.keras.auto import TF_MODEL_FOR_PRETRAINING_MAPPING as TF_MODEL_FOR_PRETRAINING_MAPPING
from bartleby.backends.keras.auto import (
    TF_MODEL_FOR_QUESTION_ANSWERING_MAPPING as TF_MODEL_FOR_QUESTION_ANSWERING_MAPPING,
)
from bartleby.backends.keras.auto import (
    TF_MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING as TF_MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING,
)
from bartleby.backends.keras.auto import (
    TF_MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING as TF_MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
)
from bartleby.backends.keras.auto import TF_MODEL_MAPPING as TF_MODEL_MAPPING
from bartleby.backends.keras.auto import TF_MODEL_WITH_LM_HEAD_MAPPING as TF_MODEL_WITH_LM_HEAD_MAPPING
from bartleby.backends.keras.auto import TFAutoModel as TFAutoModel
from bartleby.backends.keras.auto import TFAutoModelForCausalLM as TFAutoModelForCausalLM
from bartleby.backends.keras.auto import TFAutoModelForMaskedLM as TFAutoModelForMaskedLM
from bartleby.backends.keras.auto import TFAutoModelForPreTraining as TFAutoModelForPreTraining
from bartleby.backends.keras.auto import TFAutoModelForQuestionAnswering as TFAutoModelForQuestionAnswering
from bartleby.backends.keras.auto import TFAutoModelForSeq2SeqLM as TFAutoModelForSeq2SeqLM
from bartleby.backends.keras.auto import TFAutoModelForSequenceClassification as TFAutoModelForSequenceClassification
from bartleby.backends.keras.auto import TFAutoModelWithLMHead as TFAutoModelWithLMHead
from bartleby.backends.keras.decoding.generation_outputs import (
    TFBeamSampleDecoderOnlyOutput as TFBeamSampleDecoderOnlyOutput,
)
from bartleby.backends.keras.decoding.generation_outputs import (
    TFBeamSampleEncoderDecoderOutput as TFBeamSampleEncoderDecoderOutput,
)
from bartleby.backends.keras.decoding.generation_outputs import (
    TFBeamSearchDecoderOnlyOutput as TFBeamSearchDecoderOnlyOutput,
)
from bartleby.backends.keras.decoding.generation_outputs import (
    TFBeamSearchEncoderDecoderOutput as TFBeamSearchEncoderDecoderOutput,
)
from bartleby.backends.keras.decoding.generation_outputs import (
    TFGreedySearchDecoderOnlyOutput as TFGreedySearchDecoderOnlyOutput,
)
from bartleby.backends.keras.decoding.generation_outputs import (
    TFGreedySearchEncoderDecoderOutput as TFGreedySearchEncoderDecoderOutput,
)
from bartleby.backends.keras.decoding.generation_outputs import TFSampleDecoderOnlyOutput as TFSampleDecoderOnlyOutput
from bartleby.backends.keras.decoding.generation_outputs import (
    TFSampleEncoderDecoderOutput as TFSampleEncoderDecoderOutput,
)
from bartleby.backends.keras.generation import TFGenerationMixin as TFGenerationMixin
from bartleby.backends.keras.models import TFBartForCausalLM as TFBartForCausalLM
from bartleby.backends.keras.models import TFBartForConditionalGeneration as TFBartForConditionalGeneration
from bartleby.backends.keras.models import TFBartForQuestionAnswering as TFBartForQuestionAnswering
from bartleby.backends.keras.models import TFBartForSequenceClassification as TFBartForSequenceClassification
from bartleby.backends.keras.models import TFBartModel as TFBartModel
from bartleby.backends.keras.models import TFBartPreTrainedModel as TFBartPreTrainedModel
from bartleby.backends.keras.models import TFBartPretrainedModel as TFBartPretrainedModel
from bartleby.backends.keras.models import TFBlenderbotForCausalLM as TFBlenderbotForCausalLM
from bartleby.backends.keras.models import TFBlenderbotForConditionalGeneration as TFBlenderbotForConditionalGeneration
from bartleby.backends.keras.models import TFBlenderbotModel as TFBlenderbotModel
from bartleby.backends.keras.models import TFBlenderbotPreTrainedModel as TFBlenderbotPreTrainedModel
from bartleby.backends.keras.models import TFBlenderbotSmallForCausalLM as TFBlenderbotSmallForCausalLM
from bartleby.backends.keras.models import (
    TFBlenderbotSmallForConditionalGeneration as TFBlenderbotSmallForConditionalGeneration,
)
from bartleby.backends.keras.models import TFBlenderbotSmallModel as TFBlenderbotSmallModel
from bartleby.backends.keras.models import TFBlenderbotSmallPreTrainedModel as TFBlenderbotSmallPreTrainedModel
from bartleby.backends.keras.outputs import TFBaseModelOutput as TFBaseModelOutput
from bartleby.backends.keras.outputs import (
    TFBaseModelOutputWithPastAndCrossAttentions as TFBaseModelOutputWithPastAndCrossAttentions,
)
from bartleby.backends.keras.outputs import TFCausalLMOutputWithCrossAttentions as TFCausalLMOutputWithCrossAttentions
from bartleby.backends.keras.outputs import TFSeq2SeqLMOutput as TFSeq2SeqLMOutput
from bartleby.backends.keras.outputs import TFSeq2SeqModelOutput as TFSeq2SeqModelOutput
from bartleby.backends.keras.outputs import (
    TFSeq2SeqQuestionAnsweringModelOutput as TFSeq2SeqQuestionAnsweringModelOutput,
)
from bartleby.backends.keras.outputs import TFSeq2SeqSequenceClassifierOutput as TFSeq2SeqSequenceClassifierOutput
from bartleby.backends.keras.pretrained import TFPreTrainedModel as TFPreTrainedModel
from bartleby.backends.pytorch.activations import ACT2FN as ACT2FN
from bartleby.backends.pytorch.auto import MODEL_FOR_CAUSAL_LM_MAPPING as MODEL_FOR_CAUSAL_LM_MAPPING
from bartleby.backends.pytorch.auto import MODEL_FOR_MASKED_LM_MAPPING as MODEL_FOR_MASKED_LM_MAPPING
from bartleby.backends.pytorch.auto import MODEL_FOR_PRETRAINING_MAPPING as MODEL_FOR_PRETRAINING_MAPPING
from bartleby.backends.pytorch.auto import MODEL_FOR_QUESTION_ANSWERING_MAPPING as MODEL_FOR_QUESTION_ANSWERING_MAPPING
from bartleby.backends.pytorch.auto import (
    MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING as MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING,
)
from bartleby.backends.pytorch.auto import (
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING as MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
)
from bartleby.backends.pytorch.auto import MODEL_MAPPING as MODEL_MAPPING
from bartleby.backends.pytorch.auto import MODEL_WITH_LM_HEAD_MAPPING as MODEL_WITH_LM_HEAD_MAPPING
from bartleby.backends.pytorch.auto import AutoModel as AutoModel
from bartleby.backends.pytorch.auto import AutoModelForCausalLM as AutoModelForCausalLM
from bartleby.backends.pytorch.auto import AutoModelForMaskedLM as AutoModelForMaskedLM
from bartleby.backends.pytorch.auto import AutoModelForPreTraining as AutoModelForPreTraining
from bartleby.backends.pytorch.auto import AutoModelForQuestionAnswering as AutoModelForQuestionAnswering
from bartleby.backends.pytorch.auto import AutoModelForSeq2SeqLM as AutoModelForSeq2SeqLM
from bartleby.backends.pytorch.auto import AutoModelForSequenceClassification as AutoModelForSequenceClassification
from bartleby.backends.pytorch.auto import AutoModelWithLMHead as AutoModelWithLMHead
from bartleby.backends.pytorch.cache import Cache as Cache
from bartleby.backends.pytorch.cache import DynamicCache as DynamicCache
from bartleby.backends.pytorch.cache import EncoderDecoderCache as EncoderDecoderCache
from bartleby.backends.pytorch.cache import StaticCache as StaticCache
from bartleby.backends.pytorch.decoding.generation_outputs import (
    BeamSampleDecoderOnlyOutput as BeamSampleDecoderOnlyOutput,
)
from bartleby.backends.pytorch.decoding.generation_outputs import (
    BeamSampleEncoderDecoderOutput as BeamSampleEncoderDecoderOutput,
)
from bartleby.backends.pytorch.decoding.generation_outputs import (
    BeamSearchDecoderOnlyOutput as BeamSearchDecoderOnlyOutput,
)
from bartleby.backends.pytorch.decoding.generation_outputs import (
    BeamSearchEncoderDecoderOutput as BeamSearchEncoderDecoderOutput,
)
from bartleby.backends.pytorch.decoding.generation_outputs import (
    ContrastiveSearchDecoderOnlyOutput as ContrastiveSearchDecoderOnlyOutput,
)
from bartleby.backends.pytorch.decoding.generation_outputs import (
    ContrastiveSearchEncoderDecoderOutput as ContrastiveSearchEncoderDecoderOutput,
)
from bartleby.backends.pytorch.decoding.generation_outputs import (
    GenerateBeamDecoderOnlyOutput as GenerateBeamDecoderOnlyOutput,
)
from bartleby.backends.pytorch.decoding.generation_outputs import (
    GenerateBeamEncoderDecoderOutput as GenerateBeamEncoderDecoderOutput,
)
from bartleby.backends.pytorch.decoding.generation_outputs import GenerateBeamOutput as GenerateBeamOutput
from bartleby.backends.pytorch.decoding.generation_outputs import GenerateDecoderOnlyOutput as GenerateDecoderOnlyOutput
from bartleby.backends.pytorch.decoding.generation_outputs import (
    GenerateEncoderDecoderOutput as GenerateEncoderDecoderOutput,
)
from bartleby.backends.pytorch.decoding.generation_outputs import GenerateNonBeamOutput as GenerateNonBeamOutput
from bartleby.backends.pytorch.decoding.generation_outputs import GenerateOutput as GenerateOutput
from bartleby.backends.pytorch.decoding.generation_outputs import (
    GreedySearchDecoderOnlyOutput as GreedySearchDecoderOnlyOutput,
)
from bartleby.backends.pytorch.decoding.generation_outputs import (
    GreedySearchEncoderDecoderOutput as GreedySearchEncoderDecoderOutput,
)
from bartleby.backends.pytorch.decoding.generation_outputs import SampleDecoderOnlyOutput as SampleDecoderOnlyOutput
from bartleby.backends.pytorch.decoding.generation_outputs import (
    SampleEncoderDecoderOutput as SampleEncoderDecoderOutput,
)
from bartleby.backends.pytorch.decoding.processors import (
    EncoderNoRepeatNGramLogitsProcessor as EncoderNoRepeatNGramLogitsProcessor,
)
from bartleby.backends.pytorch.decoding.processors import (
    EncoderRepetitionPenaltyLogitsProcessor as EncoderRepetitionPenaltyLogitsProcessor,
)
from bartleby.backends.pytorch.decoding.processors import ExponentialDecayLengthPenalty as ExponentialDecayLengthPenalty
from bartleby.backends.pytorch.decoding.processors import ForcedBOSTokenLogitsProcessor as ForcedBOSTokenLogitsProcessor
from bartleby.backends.pytorch.decoding.processors import ForcedEOSTokenLogitsProcessor as ForcedEOSTokenLogitsProcessor
from bartleby.backends.pytorch.decoding.processors import ForceTokensLogitsProcessor as ForceTokensLogitsProcessor
from bartleby.backends.pytorch.decoding.processors import (
    HammingDiversityLogitsProcessor as HammingDiversityLogitsProcessor,
)
from bartleby.backends.pytorch.decoding.processors import InfNanRemoveLogitsProcessor as InfNanRemoveLogitsProcessor
from bartleby.backends.pytorch.decoding.processors import LogitsProcessor as LogitsProcessor
from bartleby.backends.pytorch.decoding.processors import LogitsProcessorList as LogitsProcessorList
from bartleby.backends.pytorch.decoding.processors import LogitsWarper as LogitsWarper
from bartleby.backends.pytorch.decoding.processors import MinLengthLogitsProcessor as MinLengthLogitsProcessor
from bartleby.backends.pytorch.decoding.processors import (
    MinNewTokensLengthLogitsProcessor as MinNewTokensLengthLogitsProcessor,
)
from bartleby.backends.pytorch.decoding.processors import NoBadWordsLogitsProcessor as NoBadWordsLogitsProcessor
from bartleby.backends.pytorch.decoding.processors import NoRepeatNGramLogitsProcessor as NoRepeatNGramLogitsProcessor
from bartleby.backends.pytorch.decoding.processors import (
    PrefixConstrainedLogitsProcessor as PrefixConstrainedLogitsProcessor,
)
from bartleby.backends.pytorch.decoding.processors import (
    RepetitionPenaltyLogitsProcessor as RepetitionPenaltyLogitsProcessor,
)
from bartleby.backends.pytorch.decoding.processors import SequenceBiasLogitsProcessor as SequenceBiasLogitsProcessor
from bartleby.backends.pytorch.decoding.processors import (
    SuppressTokensAtBeginLogitsProcessor as SuppressTokensAtBeginLogitsProcessor,
)
from bartleby.backends.pytorch.decoding.processors import SuppressTokensLogitsProcessor as SuppressTokensLogitsProcessor
from bartleby.backends.pytorch.decoding.scorers import BeamHypotheses as BeamHypotheses
from bartleby.backends.pytorch.decoding.scorers import BeamScorer as BeamScorer
from bartleby.backends.pytorch.decoding.scorers import BeamSearchScorer as BeamSearchScorer
from bartleby.backends.pytorch.decoding.scorers import ConstrainedBeamSearchScorer as ConstrainedBeamSearchScorer
from bartleby.backends.pytorch.decoding.stopping import EosTokenCriteria as EosTokenCriteria
from bartleby.backends.pytorch.decoding.stopping import MaxLengthCriteria as MaxLengthCriteria
from bartleby.backends.pytorch.decoding.stopping import MaxNewTokensCriteria as MaxNewTokensCriteria
from bartleby.backends.pytorch.decoding.stopping import MaxTimeCriteria as MaxTimeCriteria
from bartleby.backends.pytorch.decoding.stopping import StoppingCriteria as StoppingCriteria
from bartleby.backends.pytorch.decoding.stopping import StoppingCriteriaList as StoppingCriteriaList
from bartleby.backends.pytorch.decoding.stopping import StopStringCriteria as StopStringCriteria
from bartleby.backends.pytorch.decoding.stopping import validate_stopping_criteria as validate_stopping_criteria
from bartleby.backends.pytorch.decoding.warpers import EpsilonLogitsWarper as EpsilonLogitsWarper
from bartleby.backends.pytorch.decoding.warpers import EtaLogitsWarper as EtaLogitsWarper
from bartleby.backends.pytorch.decoding.warpers import LogitNormalization as LogitNormalization
from bartleby.backends.pytorch.decoding.warpers import MinPLogitsWarper as MinPLogitsWarper
from bartleby.backends.pytorch.decoding.warpers import TemperatureLogitsWarper as TemperatureLogitsWarper
from bartleby.backends.pytorch.decoding.warpers import TopHLogitsWarper as TopHLogitsWarper
from bartleby.backends.pytorch.decoding.warpers import TopKLogitsWarper as TopKLogitsWarper
from bartleby.backends.pytorch.decoding.warpers import TopPLogitsWarper as TopPLogitsWarper
from bartleby.backends.pytorch.decoding.warpers import TypicalLogitsWarper as TypicalLogitsWarper
from bartleby.backends.pytorch.models import BartDecoder as BartDecoder
from bartleby.backends.pytorch.models import BartEncoder as BartEncoder
from bartleby.backends.pytorch.models import BartForCausalLM as BartForCausalLM
from bartleby.backends.pytorch.models import BartForConditionalGeneration as BartForConditionalGeneration
from bartleby.backends.pytorch.models import BartForQuestionAnswering as BartForQuestionAnswering
from bartleby.backends.pytorch.models import BartForSequenceClassification as BartForSequenceClassification
from bartleby.backends.pytorch.models import BartModel as BartModel
from bartleby.backends.pytorch.models import BartPreTrainedModel as BartPreTrainedModel
from bartleby.backends.pytorch.models import BartPretrainedModel as BartPretrainedModel
from bartleby.backends.pytorch.models import BlenderbotDecoder as BlenderbotDecoder
from bartleby.backends.pytorch.models import BlenderbotEncoder as BlenderbotEncoder
from bartleby.backends.pytorch.models import BlenderbotForCausalLM as BlenderbotForCausalLM
from bartleby.backends.pytorch.models import BlenderbotForConditionalGeneration as BlenderbotForConditionalGeneration
from bartleby.backends.pytorch.models import BlenderbotModel as BlenderbotModel
from bartleby.backends.pytorch.models import BlenderbotPreTrainedModel as BlenderbotPreTrainedModel
from bartleby.backends.pytorch.models import BlenderbotSmallDecoder as BlenderbotSmallDecoder
from bartleby.backends.pytorch.models import BlenderbotSmallEncoder as BlenderbotSmallEncoder
from bartleby.backends.pytorch.models import BlenderbotSmallForCausalLM as BlenderbotSmallForCausalLM
from bartleby.backends.pytorch.models import (
    BlenderbotSmallForConditionalGeneration as BlenderbotSmallForConditionalGeneration,
)
from bartleby.backends.pytorch.models import BlenderbotSmallModel as BlenderbotSmallModel
from bartleby.backends.pytorch.models import BlenderbotSmallPreTrainedModel as BlenderbotSmallPreTrainedModel
from bartleby.backends.pytorch.models import GenerationMixin as GenerationMixin
from bartleby.backends.pytorch.models import PretrainedBartModel as PretrainedBartModel
from bartleby.backends.pytorch.outputs import BaseModelOutput as BaseModelOutput
from bartleby.backends.pytorch.outputs import (
    BaseModelOutputWithPastAndCrossAttentions as BaseModelOutputWithPastAndCrossAttentions,
)
from bartleby.backends.pytorch.outputs import CausalLMOutputWithCrossAttentions as CausalLMOutputWithCrossAttentions
from bartleby.backends.pytorch.outputs import ModelOutput as ModelOutput
from bartleby.backends.pytorch.outputs import Seq2SeqLMOutput as Seq2SeqLMOutput
from bartleby.backends.pytorch.outputs import Seq2SeqModelOutput as Seq2SeqModelOutput
from bartleby.backends.pytorch.outputs import Seq2SeqQuestionAnsweringModelOutput as Seq2SeqQuestionAnsweringModelOutput
from bartleby.backends.pytorch.outputs import Seq2SeqSequenceClassifierOutput as Seq2SeqSequenceClassifierOutput
from bartleby.backends.pytorch.passing import shift_tokens_right as shift_tokens_right
from bartleby.backends.pytorch.pretrained import PreTrainedModel as PreTrainedModel
from bartleby.backends.pytorch.seeds import set_seed as set_seed
from bartleby.checkpoints.containers import open_weights as open_weights
from bartleby.checkpoints.folder import CheckpointFolder as CheckpointFolder
from bartleby.checkpoints.folder import save_folder as save_folder
from bartleby.compat.environment import is_accelerate_available as is_accelerate_available
from bartleby.compat.environment import is_flax_available as is_flax_available
from bartleby.compat.environment import is_tf_available as is_tf_available
from bartleby.compat.environment import is_tokenizers_available as is_tokenizers_available
from bartleby.compat.environment import is_torch_available as is_torch_available
from bartleby.compat.names import CONFIG_MAPPING as CONFIG_MAPPING
from bartleby.compat.names import CONFIG_NAME as CONFIG_NAME
from bartleby.compat.names import FLAX_WEIGHTS_NAME as FLAX_WEIGHTS_NAME
from bartleby.compat.names import GENERATION_CONFIG_NAME as GENERATION_CONFIG_NAME
from bartleby.compat.names import SAFE_WEIGHTS_INDEX_NAME as SAFE_WEIGHTS_INDEX_NAME
from bartleby.compat.names import SAFE_WEIGHTS_NAME as SAFE_WEIGHTS_NAME
from bartleby.compat.names import TF2_WEIGHTS_NAME as TF2_WEIGHTS_NAME
from bartleby.compat.names import TOKENIZER_MAPPING as TOKENIZER_MAPPING
from bartleby.compat.names import VOCAB_FILES_NAMES as VOCAB_FILES_NAMES
from bartleby.compat.names import WEIGHTS_INDEX_NAME as WEIGHTS_INDEX_NAME
from bartleby.compat.names import WEIGHTS_NAME as WEIGHTS_NAME
from bartleby.errors import ArgumentError as ArgumentError
from bartleby.errors import BartlebyError as BartlebyError
from bartleby.errors import CheckpointError as CheckpointError
from bartleby.errors import ConfigError as ConfigError
from bartleby.errors import DataError as DataError
from bartleby.errors import FieldError as FieldError
from bartleby.errors import HubError as HubError
from bartleby.errors import LengthError as LengthError
from bartleby.errors import MismatchError as MismatchError
from bartleby.errors import MissingExtraError as MissingExtraError
from bartleby.errors import OptionError as OptionError
from bartleby.errors import ShapeError as ShapeError
from bartleby.errors import TextError as TextError
from bartleby.errors import TokenizerError as TokenizerError
from bartleby.errors import UnsafePickleError as UnsafePickleError
from bartleby.errors import VocabularyError as VocabularyError
from bartleby.family.config import AutoConfig as AutoConfig
from bartleby.family.config import BartConfig as BartConfig
from bartleby.family.config import BlenderbotConfig as BlenderbotConfig
from bartleby.family.config import BlenderbotSmallConfig as BlenderbotSmallConfig
from bartleby.family.config import PreTrainedConfig as PreTrainedConfig
from bartleby.family.config import PretrainedConfig as PretrainedConfig
from bartleby.family.config import config_from_dict as config_from_dict
from bartleby.family.parameters import parameter_count as parameter_count
from bartleby.family.parameters import parameter_table as parameter_table
from bartleby.family.presets import PRESETS as PRESETS
from bartleby.family.presets import preset_of as preset_of
from bartleby.generation.compiling import CompileConfig as CompileConfig
from bartleby.generation.config import GenerationConfig as GenerationConfig
from bartleby.generation.constraints import Constraint as Constraint
from bartleby.generation.constraints import ConstraintListState as ConstraintListState
from bartleby.generation.constraints import DisjunctiveConstraint as DisjunctiveConstraint
from bartleby.generation.constraints import PhrasalConstraint as PhrasalConstraint
from bartleby.generation.mode import GenerationMode as GenerationMode
from bartleby.generation.streaming import AsyncTextIteratorStreamer as AsyncTextIteratorStreamer
from bartleby.generation.streaming import BaseStreamer as BaseStreamer
from bartleby.generation.streaming import TextIteratorStreamer as TextIteratorStreamer
from bartleby.generation.streaming import TextStreamer as TextStreamer
from bartleby.hub import embedded_names as embedded_names
from bartleby.hub import resolve as resolve
from bartleby.tasks.chat import Chat as Chat
from bartleby.tasks.chat import Conversation as Conversation
from bartleby.tasks.chat import Reply as Reply
from bartleby.tasks.summarize import Summarizer as Summarizer
from bartleby.tasks.summarize import Summary as Summary
from bartleby.tokenization.auto import AutoTokenizer as AutoTokenizer
from bartleby.tokenization.base import PreTrainedTokenizer as PreTrainedTokenizer
from bartleby.tokenization.base import PreTrainedTokenizerBase as PreTrainedTokenizerBase
from bartleby.tokenization.base import PreTrainedTokenizerFast as PreTrainedTokenizerFast
from bartleby.tokenization.blenderbot_small import BlenderbotSmallTokenizer as BlenderbotSmallTokenizer
from bartleby.tokenization.blenderbot_small import BlenderbotSmallTokenizerFast as BlenderbotSmallTokenizerFast
from bartleby.tokenization.byte_level import BartTokenizer as BartTokenizer
from bartleby.tokenization.byte_level import BartTokenizerFast as BartTokenizerFast
from bartleby.tokenization.byte_level import BlenderbotTokenizer as BlenderbotTokenizer
from bartleby.tokenization.byte_level import BlenderbotTokenizerFast as BlenderbotTokenizerFast
from bartleby.tokenization.byte_level import RobertaTokenizer as RobertaTokenizer
from bartleby.tokenization.byte_level import RobertaTokenizerFast as RobertaTokenizerFast
from bartleby.tokenization.encoding import BatchEncoding as BatchEncoding
from bartleby.tokenization.encoding import CharSpan as CharSpan
from bartleby.tokenization.encoding import TensorType as TensorType
from bartleby.tokenization.encoding import TokenSpan as TokenSpan
from bartleby.tokenization.lengths import PaddingStrategy as PaddingStrategy
from bartleby.tokenization.lengths import TruncationStrategy as TruncationStrategy

__version__: str
