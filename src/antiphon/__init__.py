"""Conversations with language models as trees of templates.

Everything public can be imported from here; ``antiphon.errors`` holds the errors.
"""

from antiphon.attachments import Attachment, Audio, Document, Image
from antiphon.attempts import FallbackModel, RetryingModel
from antiphon.caching import CachedModel
from antiphon.connect import connect
from antiphon.drivers import Script
from antiphon.events import Event, TextDelta
from antiphon.facts import Branch, Fact, Visit
from antiphon.init_strategies import (
    CleanSessionStrategy,
    FilteredInheritStrategy,
    InheritSystemStrategy,
    LastNMessagesStrategy,
    SessionInitStrategy,
)
from antiphon.interface import ConsoleInterface, UserInterface
from antiphon.messages import Message, Reply, Role, ToolCall, Usage
from antiphon.model import Model, ModelSettings
from antiphon.observers import (
    LiveCall,
    Observer,
    SubroutineEntered,
    SubroutineExited,
    TemplateEntered,
    TemplateExited,
    observing,
)
from antiphon.request import Request
from antiphon.runner import Runner
from antiphon.session import Session
from antiphon.squash_strategies import (
    FilterByRoleStrategy,
    LastMessageStrategy,
    LLMFilteringStrategy,
    LLMSummarizingStrategy,
    SquashStrategy,
)
from antiphon.templates.base import Template
from antiphon.templates.flow import BreakTemplate, EndTemplate, IfTemplate, LinearTemplate, LoopTemplate
from antiphon.templates.generate import AssistantTemplate, GenerateTemplate
from antiphon.templates.message import MessageTemplate, SystemTemplate, UserTemplate
from antiphon.templates.parallel import ParallelTemplate
from antiphon.templates.subroutine import SubroutineTemplate
from antiphon.templates.toolcalling import ToolingTemplate
from antiphon.terminal import CommandLineRunner
from antiphon.tools import Farewell, Tool, tool
from antiphon.trace import ModelCall, Sample, ToolRun, Trace
from antiphon.transforms import ExtractCodeBlock, ResetMetadata, SessionTransformer, UpdateMetadata

__all__ = [
    "AssistantTemplate",
    "Attachment",
    "Audio",
    "Branch",
    "BreakTemplate",
    "CachedModel",
    "CleanSessionStrategy",
    "CommandLineRunner",
    "ConsoleInterface",
    "Document",
    "EndTemplate",
    "Event",
    "ExtractCodeBlock",
    "Fact",
    "FallbackModel",
    "Farewell",
    "FilterByRoleStrategy",
    "FilteredInheritStrategy",
    "GenerateTemplate",
    "IfTemplate",
    "Image",
    "InheritSystemStrategy",
    "LLMFilteringStrategy",
    "LLMSummarizingStrategy",
    "LastMessageStrategy",
    "LastNMessagesStrategy",
    "LinearTemplate",
    "LiveCall",
    "LoopTemplate",
    "Message",
    "MessageTemplate",
    "Model",
    "ModelCall",
    "ModelSettings",
    "Observer",
    "ParallelTemplate",
    "Reply",
    "Request",
    "ResetMetadata",
    "RetryingModel",
    "Role",
    "Runner",
    "Sample",
    "Script",
    "Session",
    "SessionInitStrategy",
    "SessionTransformer",
    "SquashStrategy",
    "SubroutineEntered",
    "SubroutineExited",
    "SubroutineTemplate",
    "SystemTemplate",
    "Template",
    "TemplateEntered",
    "TemplateExited",
    "TextDelta",
    "Tool",
    "ToolCall",
    "ToolRun",
    "ToolingTemplate",
    "Trace",
    "UpdateMetadata",
    "Usage",
    "UserInterface",
    "UserTemplate",
    "Visit",
    "connect",
    "observing",
    "tool",
]
