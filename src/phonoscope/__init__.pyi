from phonoscope.attribution import contrast as contrast
from phonoscope.attribution import explain as explain
from phonoscope.attribution import methods as methods
from phonoscope.audio import cut as cut
from phonoscope.audio import read_audio as read_audio
from phonoscope.classifier import Classifier as Classifier
from phonoscope.corpora import read_corpus as read_corpus
from phonoscope.errors import PhonoscopeError as PhonoscopeError
from phonoscope.experiments.folder import Run as Run
from phonoscope.filters import response_spectrum as response_spectrum
from phonoscope.frontends import Recording as Recording
from phonoscope.frontends import Spectrogram as Spectrogram
from phonoscope.frontends import Waveform as Waveform
from phonoscope.layer_geometry import geometry as geometry
from phonoscope.manipulate import manipulate as manipulate
from phonoscope.models import load as load
from phonoscope.models import similarity as similarity
from phonoscope.models import wrap as wrap
from phonoscope.phonetics.formants import formants as formants
from phonoscope.report.notebook import show as show
from phonoscope.tasks import load_recipe as load_recipe
from phonoscope.tasks import run_experiment as run_experiment
from phonoscope.tasks.perceive.call import perceive as perceive
from phonoscope.tasks.reporting import write_report as write_report

__version__: str
