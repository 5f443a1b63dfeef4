"""The words and looks of the sample catalogue's invented products; brands and sentences are our own."""

from types import MappingProxyType
from typing import NamedTuple


class Look(NamedTuple):
    """How a picture is drawn: `shape` and `pattern` are names in `training.sample.pictures`, the others CSS colours."""

    shape: str
    pattern: str
    colour: str
    accent: str


class Vocabulary(NamedTuple):
    """The words for titles of one product type; `{}` in a measure stands for a number from 10 to 99."""

    nouns: tuple[str, ...]
    qualities: tuple[str, ...]
    brands: tuple[str, str]
    measures: tuple[str, ...]
    look: Look


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split("|"))


def _vocabulary(nouns: str, qualities: str, brands: tuple[str, str], measures: str, look: Look) -> Vocabulary:
    return Vocabulary(_words(nouns), _words(qualities), brands, _words(measures), look)


VOCABULARY = MappingProxyType(
    {
        "10": _vocabulary(
            "Roman d'occasion | Récit de voyage | Recueil de poèmes | Manuel scolaire | Biographie | Essai"
            " | Taschenbuch | Paperback novel",
            "broché | dos usé | état correct | édition épuisée | annoté au crayon | gebraucht",
            ("Éditions Vérolune", "Presses d'Ambrail"),
            "{}0 pages | paru en 19{} | tome {}",
            Look("tall", "band", "#8a5a34", "#f0e2c0"),
        ),
        "40": _vocabulary(
            "Jeu import japonais | Cartouche rétro | Jeu d'aventure NTSC | Import game | Modul ohne Anleitung"
            " | Jeu de plateforme | Jeu de course import | Shoot vertical",
            "version japonaise | sans notice | en boîte | loose | dézoné | komplett",
            ("Kazumiro", "Pixelgarde"),
            "niveau {} | {} Mo | {} mondes",
            Look("square", "checks", "#6a1fb0", "#ffd23f"),
        ),
        "50": _vocabulary(
            "Manette sans fil | Wireless controller | Housse de console | Station de recharge | Câble AV | Ladestation"
            " | Volant à retour de force | Casque gamer",
            "ergonomique | rétroéclairé | noir mat | compatible PC | vibrant | mit Akku",
            ("Joxtra", "Gripalon"),
            "câble {} cm | {} h d'autonomie | {}00 mAh",
            Look("cross", "dots", "#1d1d24", "#39d98a"),
        ),
        "60": _vocabulary(
            "Console portable | Console de salon | Spielkonsole | Retro handheld console | Console rétro | Mini console"
            " | Borne d'arcade de table | Pack console",
            "avec deux manettes | reconditionnée | bleu nuit | écran couleur | prête à jouer | HDMI",
            ("Orbivox", "Joxtra"),
            "{} Go | {}0 jeux intégrés | écran {} mm",
            Look("wide", "checks", "#23324f", "#9fb7d9"),
        ),
        "1140": _vocabulary(
            "Figurine articulée | Buste en résine | Porte-clés héros | Statuette | Sammelfigur | Vinyl figure"
            " | Mug de collection | Peluche de héros",
            "édition limitée | sous blister | peinte à la main | phosphorescent | sur socle | limitiert",
            ("Heroplast", "Fablion"),
            "{} cm | n° {} | échelle 1/{}",
            Look("star", "band", "#d7263d", "#ffe066"),
        ),
        "1160": _vocabulary(
            "Carte brillante | Booster de cartes | Carte dragon | Sammelkarte | Trading card | Carte rare"
            " | Deck de démarrage | Carte joueur",
            "holographique | neuve sous étui | version française | première édition | near mint | full art",
            ("Drakémon", "Arcanalys"),
            "{}/99 | {} PV | série {}",
            Look("tall", "dots", "#f2a900", "#1f5fbf"),
        ),
        "1180": _vocabulary(
            "Figurine à peindre | Livre de règles | Dés à facettes | Miniatur Ritter | Armée d'orcs | Écran du maître"
            " | Plan de donjon | Dungeon tiles",
            "en plomb | non peinte | jeu de rôle | heroic fantasy | à monter | unbemalt",
            ("Grimvald", "Tour du Mage"),
            "{} mm | {} figurines | chapitre {}",
            Look("diamond", "checks", "#4b5a3c", "#b8b8a8"),
        ),
        "1280": _vocabulary(
            "Camion en bois | Poupée chiffon | Puzzle animaux | Peluche ourson | Spielzeugauto | Toy kitchen"
            " | Circuit de billes | Dînette",
            "pour enfants | multicolore | dès 3 ans | musical | éducatif | kinderleicht",
            ("Ludibulle", "Trottinou"),
            "{} pièces | {} cm | dès {} mois",
            Look("house", "stripes", "#ff6f3c", "#3cc8ff"),
        ),
        "1281": _vocabulary(
            "Jeu de plateau | Jeu de cartes familial | Jeu de stratégie | Brettspiel | Party game | Quiz"
            " | Jeu coopératif | Casse-tête",
            "2 à 6 joueurs | en famille | règles en français | coopératif | version voyage | für Erwachsene",
            ("Dédalons", "Ludibulle"),
            "partie de {} min | {} cartes | {} jetons",
            Look("square", "dots", "#0b7a75", "#f4d35e"),
        ),
        "1300": _vocabulary(
            "Drone quadricoptère | Maquette d'avion | Voiture radiocommandée | Hélice de rechange | RC Ersatzteil"
            " | Brushless motor | Locomotive miniature | Batterie LiPo",
            "télécommandé | échelle réduite | en kit | pour débutant | quatre roues motrices | ferngesteuert",
            ("Aérovolt", "Railmont"),
            "1/{} | {}00 mAh | {} km/h",
            Look("cross", "stripes", "#d11f1f", "#c9ced6"),
        ),
        "1301": _vocabulary(
            "Chaussettes bébé | Body à manches longues | Bonnet naissance | Babyschuhe | Baby romper"
            " | Pyjama en velours | Chaussons souples | Moufles",
            "en coton | rose poudré | motif étoiles | taille unique | antidérapant | weich",
            ("Plumidou", "Câlinette"),
            "{} mois | pointure {} | lot de {}",
            Look("heart", "band", "#f7a8c4", "#fff1f6"),
        ),
        "1302": _vocabulary(
            "Trampoline | Ballon de plage | Trottinette | Cerf-volant | Canne à pêche | Kinderschaukel"
            " | Bow and arrow set | Jeu de fléchettes",
            "plein air | avec filet | pliable | pour le jardin | résistant au vent | outdoor",
            ("Grandair", "Trottinou"),
            "{}0 cm | jusqu'à {} kg | hauteur {} cm",
            Look("disc", "stripes", "#2a9df4", "#ffdd00"),
        ),
        "1320": _vocabulary(
            "Poussette | Tapis d'éveil | Biberon | Sac à langer | Wickelauflage | Baby carrier | Veilleuse"
            " | Chaise haute",
            "évolutif | lavable | nomade | sans BPA | gris perle | für Babys",
            ("Câlinette", "Nidélio"),
            "{}0 ml | jusqu'à {} mois | {} x 70 cm",
            Look("heart", "dots", "#8fd3c8", "#ffffff"),
        ),
        "1560": _vocabulary(
            "Table basse | Canapé convertible | Étagère murale | Matelas mousse | Kleiderschrank | Bar stool"
            " | Tête de lit | Meuble TV",
            "chêne clair | style scandinave | en métal | 2 places | gain de place | modern",
            ("Boréandre", "Maison Tavelle"),
            "L {}0 cm | épaisseur {} cm | {} kg",
            Look("wide", "stripes", "#b98552", "#7d5430"),
        ),
        "1920": _vocabulary(
            "Housse de coussin | Parure de lit | Drap housse | Rideau occultant | Kissenbezug | Throw pillow cover"
            " | Plaid polaire | Serviette de bain",
            "en lin | motif géométrique | lavable à 40° | doux | bleu canard | dekorativ",
            ("Filoriane", "Cotonelle & Fils"),
            "{} x {} cm | 1{}0 x 200 cm | {} fils/cm²",
            Look("square", "stripes", "#5c7fa3", "#e8dcc5"),
        ),
        "1940": _vocabulary(
            "Confiture de mûres | Thé vert | Bonbons acidulés | Huile d'olive | Gewürzmischung | Biscuits sablés"
            " | Café moulu | Hot sauce",
            "bio | artisanal | sans gluten | goût citron | récolte d'automne | vegan",
            ("Val Gourmelin", "Épicéa & Miel"),
            "{}0 g | {} cl | lot de {} sachets",
            Look("bottle", "band", "#3f8f2f", "#f3c623"),
        ),
        "2060": _vocabulary(
            "Guirlande lumineuse | Vase | Tableau abstrait | Horloge murale | Wandsticker | Candle holder | Statue zen"
            " | Couronne de Noël",
            "style bohème | doré | effet marbre | pour le salon | fait main | Weihnachtsdeko",
            ("Lumignelle", "Maison Tavelle"),
            "{} LED | Ø {} cm | {} x {} cm",
            Look("star", "dots", "#c9a227", "#2f4858"),
        ),
        "2220": _vocabulary(
            "Collier pour chien | Arbre à chat | Gamelle | Laisse | Hundebett | Cat toy | Cage à hamster"
            " | Brosse pour poils longs",
            "anti-traction | pour petit chien | en nylon | réfléchissant | rembourré | wasserdicht",
            ("Museline", "Pattounet"),
            "taille {} cm | jusqu'à {} kg | {} mm",
            Look("bone", "band", "#e07a1f", "#5b3a1e"),
        ),
        "2280": _vocabulary(
            "Journal ancien | Revue illustrée | Gazette | Magazine hebdomadaire | Alte Zeitung | Numéro spécial"
            " | Supplément du dimanche | Vintage magazine",
            "jauni | complet | avec gravures | édition du matin | rare | reliure d'époque",
            ("L'Écho de Brévane", "La Lanterne d'Ostreval"),
            "n° {} | du 12 mars 19{} | {} pages",
            Look("tall", "stripes", "#d9d2bd", "#4a4a4a"),
        ),
        "2403": _vocabulary(
            "Lot de romans | Lot de bandes dessinées | Série complète manga | Collection de revues | Bücherpaket"
            " | Comic book bundle | Lot de contes | Intégrale BD",
            "bon état | tomes 1 à 9 | toute la série | en vrac | reliés | gemischt",
            ("Éditions Vérolune", "Bulle Nomade"),
            "{} volumes | {} livres | {} numéros",
            Look("stack", "stripes", "#9c2f4f", "#e3b505"),
        ),
        "2462": _vocabulary(
            "Lot de jeux vidéo | Console avec jeux | Lot de manettes | Spielesammlung | Game bundle"
            " | Pack console et jeux | Lot de cartouches | Lot jeux de sport",
            "testé | sans boîte | avec câbles | bon état | différents titres | ohne Gewähr",
            ("Orbivox", "Pixelgarde"),
            "{} jeux | {} titres | {} Go",
            Look("stack", "checks", "#3d2c8d", "#00c2a8"),
        ),
        "2522": _vocabulary(
            "Stylo plume | Cahier à spirale | Classeur | Feutres de couleur | Notizbuch | Sticky notes | Agrafeuse"
            " | Tampon encreur",
            "rechargeable | grands carreaux | pointe fine | assortis | format A4 | liniert",
            ("Encrélia", "Papivert"),
            "{} feuilles | lot de {} | 0,{} mm",
            Look("arrow", "band", "#0047ab", "#f5f5f5"),
        ),
        "2582": _vocabulary(
            "Salon de jardin | Parasol déporté | Gartenstuhl | Garden bench | Hamac | Abri de jardin | Tonnelle"
            " | Bain de soleil",
            "en résine tressée | anthracite | pliant | imperméable | en acacia | wetterfest",
            ("Jardivane", "Boréandre"),
            "{} dm | {}0 g/m² | L {}0 cm",
            Look("house", "band", "#5a6b5d", "#c7b79a"),
        ),
        "2583": _vocabulary(
            "Piscine tubulaire | Pompe de filtration | Bâche à bulles | Robot nettoyeur | Poolabdeckung | Pool ladder"
            " | Cartouche filtrante | Échelle de piscine",
            "hors sol | ronde | pour spa | avec raccords | anti-UV | auto-amorçante",
            ("Aqualine Sud", "Lagunéo"),
            "Ø {}0 cm | {} m³/h | {}00 L",
            Look("ring", "band", "#18a4d8", "#bfefff"),
        ),
        "2585": _vocabulary(
            "Sécateur | Tondeuse | Perceuse à percussion | Tuyau d'arrosage | Gartenschere | Chainsaw chain"
            " | Gants de bricolage | Taille-haie",
            "sans fil | lame acier | télescopique | professionnel | anti-vibration | robust",
            ("Forgemont", "Jardivane"),
            "{} V | {} m | lame de {} cm",
            Look("arrow", "stripes", "#3d8b37", "#f4b400"),
        ),
        "2705": _vocabulary(
            "Roman | Livre de cuisine | Guide pratique | Album jeunesse | Sachbuch | Hardcover book | Beau livre"
            " | Essai historique",
            "neuf | nouvelle édition | illustré | grand format | relié | Neuauflage",
            ("Presses d'Ambrail", "Atelier Quintefeuille"),
            "{}0 pages | volume {} | {} chapitres",
            Look("tall", "band", "#f4f1ea", "#1c7c7d"),
        ),
        "2905": _vocabulary(
            "Jeu PC à télécharger | Clé d'activation | Extension numérique | Download Code | Digital deluxe edition"
            " | Pass de saison | Simulateur de vol PC | Monnaie virtuelle",
            "version dématérialisée | code par e-mail | édition spéciale | multijoueur | Windows | sofort per E-Mail",
            ("Nuagine", "Pixelgarde"),
            "{} Go | {}00 crédits | saison {}",
            Look("disc", "checks", "#101820", "#00a6fb"),
        ),
    }
)

# Nouns that say hardly anything about the type, so the picture has to.
VAGUE_NOUNS = _words("Lot | Coffret cadeau | Accessoire | Pack promo | Set | Zubehör | Nouveauté | Pièce de collection")

OPENINGS = _words(
    "{noun} de la marque {brand}, {quality}. | Découvrez notre {noun} {quality} signé {brand}."
    " | {brand} présente : {noun}, l'allié du quotidien. | {noun} : {quality}, conçu par {brand} en petite série."
    " | Introducing the {brand} {noun}: simple and made to last. | {noun} von {brand}, {quality}."
)
DETAILS = _words(
    "Format : {measure} | Caractéristique : {quality} | Garantie 2 ans & pièces disponibles | Contrôlé à l'atelier"
    " | Poids net 0,{number} kg | Couleur selon arrivage | Farbe wie abgebildet | Notice en français"
)
CLOSINGS = _words(
    "Expédié sous {number} heures, emballage protégé. | L'idée cadeau qui plaît à coup sûr !"
    " | Teinte variable selon l'écran. | Versand innerhalb von {number} Stunden."
    " | D'autres modèles dans notre boutique."
)
STOP_WORDS = frozenset(
    _words("a | au | aux | avec | d | de | des | du | en | et | l | la | le | les | par | pour | sans | sur | un | une")
)
