# SPDX-License-Identifier: Apache-2.0

"""What functions and kinds of authorities are called in the six languages of the United Nations.

For finding alone: screens have translations of their own, and no rule depends on a word.
"""

from collections.abc import Mapping

from protocol.directory.contacts import AuthorityKind, Function

FUNCTION_WORDS: Mapping[Function, tuple[str, ...]] = {
    Function.MLA: (
        "mutual legal assistance",
        "entraide judiciaire",
        "asistencia judicial recíproca",
        "взаимная правовая помощь",
        "المساعدة القانونية المتبادلة",
        "司法协助",
    ),
    Function.EXTRADITION: ("extradition", "extradición", "выдача экстрадиция", "تسليم المجرمين", "引渡"),
    Function.ASSET_RECOVERY: (
        "asset recovery",
        "recouvrement d'avoirs",
        "recuperación de activos",
        "возвращение активов",
        "استرداد الموجودات",
        "资产追回",
    ),
    Function.PREVENTION: (
        "prevention",
        "prévention",
        "prevención",
        "предупреждение профилактика",
        "منع",
        "预防",
    ),
    Function.CIVIL_ADMIN: (
        "civil administrative proceedings",
        "procédures civiles administratives",
        "procedimientos civiles administrativos",
        "гражданское административное производство",
        "إجراءات مدنية إدارية",
        "民事行政诉讼",
    ),
    Function.LAW_ENFORCEMENT: (
        "law enforcement investigation",
        "détection répression enquête",
        "aplicación de la ley investigación",
        "правоохранительные органы расследование",
        "إنفاذ القانون تحقيق",
        "执法调查",
    ),
    Function.FREEZE_URGENT: (
        "urgent freezing freeze",
        "gel urgent",
        "congelamiento embargo urgente",
        "срочное замораживание",
        "تجميد عاجل",
        "紧急冻结",
    ),
}

KIND_WORDS: Mapping[AuthorityKind, tuple[str, ...]] = {
    AuthorityKind.ACA: (
        "anti-corruption authority anticorruption",
        "autorité anticorruption",
        "autoridad anticorrupción",
        "антикоррупционный орган",
        "هيئة مكافحة الفساد",
        "反腐败机构",
    ),
    AuthorityKind.PROSECUTION: (
        "prosecution",
        "ministère public parquet",
        "fiscalía",
        "прокуратура",
        "النيابة",
        "检察",
    ),
    AuthorityKind.POLICE: ("police", "policía", "полиция", "شرطة", "警察"),
    AuthorityKind.FIU: (
        "financial intelligence unit fiu",
        "cellule de renseignement financier crf",
        "unidad de inteligencia financiera uif",
        "финансовая разведка",
        "وحدة المعلومات المالية",
        "金融情报",
    ),
    AuthorityKind.ARO: (
        "asset recovery office aro",
        "bureau de recouvrement des avoirs",
        "oficina de recuperación de activos",
        "бюро по возвращению активов",
        "مكتب استرداد الموجودات",
        "资产追回办公室",
    ),
    AuthorityKind.CENTRAL_AUTHORITY: (
        "central authority",
        "autorité centrale",
        "autoridad central",
        "центральный орган",
        "السلطة المركزية",
        "中央机关",
    ),
    AuthorityKind.JUDICIAL: ("court judicial", "tribunal judiciaire", "judicial", "суд", "محكمة", "法院"),
    AuthorityKind.PREVENTION: ("prevention", "prévention", "prevención", "профилактика", "الوقاية", "预防"),
    AuthorityKind.OVERSIGHT: ("oversight", "contrôle", "supervisión", "надзор", "رقابة", "监督"),
    AuthorityKind.OBSERVER: ("observer", "observateur", "observador", "наблюдатель", "مراقب", "观察员"),
}
